// What a task queue needs seldom, apart from what it needs at every turn.
#pragma once

#include <tide/runtime/task_queue.hpp>

namespace tide {

struct task_queue::settings {
  queue_options wanted;
};

}  // namespace tide

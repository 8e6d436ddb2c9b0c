// Everything that most programs need, in one include:
//
//   #include <tide/tide.hpp>
//   int main() { return tide::run([](tide::scope& scope) -> tide::task<> { … }); }
#pragma once

#include <tide/base/bytes.hpp>
#include <tide/base/log.hpp>
#include <tide/base/result.hpp>
#include <tide/fs/directory.hpp>
#include <tide/fs/file.hpp>
#include <tide/fs/paths.hpp>
#include <tide/fs/read_many.hpp>
#include <tide/fs/sealed_file.hpp>
#include <tide/fs/stream_reader.hpp>
#include <tide/fs/stream_writer.hpp>
#include <tide/io/copy.hpp>
#include <tide/io/duplex.hpp>
#include <tide/net/tcp.hpp>
#include <tide/net/udp.hpp>
#include <tide/runtime/alarm.hpp>
#include <tide/runtime/blocking.hpp>
#include <tide/runtime/combine.hpp>
#include <tide/runtime/deadline_queue.hpp>
#include <tide/runtime/interval.hpp>
#include <tide/runtime/registered_memory.hpp>
#include <tide/runtime/run.hpp>
#include <tide/runtime/scope.hpp>
#include <tide/runtime/signal.hpp>
#include <tide/runtime/task.hpp>
#include <tide/runtime/task_queue.hpp>
#include <tide/runtime/time.hpp>
#include <tide/sync/channel.hpp>
#include <tide/sync/event.hpp>
#include <tide/sync/mutex.hpp>
#include <tide/sync/semaphore.hpp>

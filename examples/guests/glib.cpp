// A guest in GLib's main loop, beside a timer of the loop's own.
#include <glib-unix.h>
#include <glib.h>

#include <algorithm>
#include <chrono>
#include <cstdio>

#include "guests/visitor.hpp"

namespace {

struct host {
  GMainLoop* loop = g_main_loop_new(nullptr, FALSE);
  int ticks = 0;
  bool stays = true;
  void leave_if_done() const {
    if (!stays && ticks >= 3) g_main_loop_quit(loop);
  }
};

/// A source with the guest's descriptor and deadline. GLib's clock is the guest's, in microseconds.
struct source {
  GSource base;
  tide::guest* guest;
  host* owner;

  static source* of(GSource* which) { return static_cast<source*>(static_cast<void*>(which)); }  // begins with it
  static gboolean dispatch(GSource* which, GSourceFunc, gpointer) {
    source* const self = of(which);
    self->owner->stays = self->guest->run_ready();
    self->owner->leave_if_done();
    if (!self->owner->stays) return G_SOURCE_REMOVE;
    const auto next = self->guest->next_deadline();
    const auto since = next ? next->time_since_epoch() : std::chrono::nanoseconds(0);
    const auto micros = std::chrono::ceil<std::chrono::microseconds>(since).count();
    g_source_set_ready_time(which, next ? std::max<gint64>(micros, 0) : -1);
    return G_SOURCE_CONTINUE;
  }
};
GSourceFuncs functions{nullptr, nullptr, source::dispatch, nullptr, nullptr, nullptr};

gboolean tick(gpointer data) {
  auto& owner = *static_cast<host*>(data);
  std::printf("host: tick %d\n", ++owner.ticks);
  owner.leave_if_done();
  return owner.ticks < 3 ? G_SOURCE_CONTINUE : G_SOURCE_REMOVE;
}

}  // namespace

int main() {
  host owner;
  const auto guest = visitor::arrive();
  GSource* const made = g_source_new(&functions, sizeof(source));
  source::of(made)->guest = guest.get();
  source::of(made)->owner = &owner;
  g_source_add_unix_fd(made, guest->descriptor(), G_IO_IN);
  g_source_set_ready_time(made, 0);
  g_source_attach(made, nullptr);
  g_timeout_add(1, tick, &owner);
  g_main_loop_run(owner.loop);
  g_source_unref(made);
  g_main_loop_unref(owner.loop);
  guest->rethrow();
}

// Checks in a child process, which may limit itself: by filters of system calls, by resource limits.
//
//   EXPECT_TRUE(support::in_child([] { return support::forbid(SYS_fcntl) && … ; }));
#pragma once

#include <linux/filter.h>
#include <linux/seccomp.h>
#include <sys/prctl.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cstddef>
#include <iterator>

namespace support {

/// From here on this system call does that for the process: a SECCOMP_RET_ value.
inline bool filter(unsigned call, unsigned action) {
  sock_filter rules[] = {
      BPF_STMT(BPF_LD | BPF_W | BPF_ABS, offsetof(seccomp_data, nr)),
      BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, call, 0, 1),
      BPF_STMT(BPF_RET | BPF_K, action),
      BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_ALLOW),
  };
  const sock_fprog program{.len = static_cast<unsigned short>(std::size(rules)), .filter = rules};
  return ::prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) == 0 && ::prctl(PR_SET_SECCOMP, SECCOMP_MODE_FILTER, &program) == 0;
}
/// The call fails with that errno.
inline bool refuse(unsigned call, unsigned error) { return filter(call, SECCOMP_RET_ERRNO | error); }
/// The call ends the process.
inline bool forbid(unsigned call) { return filter(call, SECCOMP_RET_KILL_PROCESS); }

/// True if `check()` is true in a child.
template <class F>
bool in_child(F check) {
  const pid_t child = ::fork();
  if (child == 0) ::_exit(check() ? 0 : 1);
  int status = 0;
  return child > 0 && ::waitpid(child, &status, 0) == child && WIFEXITED(status) && WEXITSTATUS(status) == 0;
}

}  // namespace support

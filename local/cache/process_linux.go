package cache

import (
	"os/exec"
	"syscall"
)

// tie has the command end when the thread that starts it does, by a signal on which nginx ends its
// worker too. It gets a group of its own, so that an interrupt of the terminal leaves the order in
// which things end to this process.
func tie(command *exec.Cmd) {
	command.SysProcAttr = &syscall.SysProcAttr{Setpgid: true, Pdeathsig: syscall.SIGTERM}
}

// kill ends a command that was tied, and the worker that may outlive it.
func kill(command *exec.Cmd) { syscall.Kill(-command.Process.Pid, syscall.SIGKILL) }

// openFiles is how many files a process of this user may have open at most.
func openFiles() (uint64, error) {
	var limit syscall.Rlimit
	err := syscall.Getrlimit(syscall.RLIMIT_NOFILE, &limit)
	return limit.Max, err
}

//go:build unix

package main

import (
	"runtime"
	"syscall"
	"time"
)

// taken is the processor time of this process and the most memory that it has had, in bytes.
func taken() (cpu time.Duration, memory int64) {
	var u syscall.Rusage
	if err := syscall.Getrusage(syscall.RUSAGE_SELF, &u); err != nil {
		return 0, 0
	}
	memory = int64(u.Maxrss) // in kilobytes, but for macOS
	if runtime.GOOS != "darwin" {
		memory <<= 10
	}
	return time.Duration(u.Utime.Nano() + u.Stime.Nano()), memory
}

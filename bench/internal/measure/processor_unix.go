//go:build unix

package measure

import (
	"syscall"
	"time"
)

// ProcessorTime is what this process had of all processors.
func ProcessorTime() time.Duration {
	var u syscall.Rusage
	if err := syscall.Getrusage(syscall.RUSAGE_SELF, &u); err != nil {
		panic(err) // of a malformed call
	}
	return time.Duration(u.Utime.Nano() + u.Stime.Nano())
}

package pipeline

import (
	"os"
	"syscall"
)

// datasync returns when the data of the file is on the disk.
func datasync(f *os.File) error { return syscall.Fdatasync(int(f.Fd())) }

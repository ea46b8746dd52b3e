package measure

import (
	"os"
	"syscall"
)

// Datasync returns when the data of the file is on the disk.
func Datasync(f *os.File) error { return syscall.Fdatasync(int(f.Fd())) }

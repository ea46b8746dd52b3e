//go:build !linux

package measure

import "os"

// Datasync is an fsync, where there is nothing less.
func Datasync(f *os.File) error { return f.Sync() }

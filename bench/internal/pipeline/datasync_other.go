//go:build !linux

package pipeline

import "os"

// datasync is an fsync, where there is nothing less.
func datasync(f *os.File) error { return f.Sync() }

//go:build !unix

package measure

import "time"

var started = time.Now()

// ProcessorTime is the clock's, where nothing better is known: of a machine that does nothing else.
func ProcessorTime() time.Duration { return time.Since(started) }

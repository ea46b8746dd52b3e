package client

import "sync"

// condition is whether something fails. Each change of it is logged once.
type condition struct {
	mu      sync.Mutex
	failing bool
	mended  chan struct{} // closed when it does not fail any more
}

// note keeps whether it fails now and reports whether that is a change.
func (c *condition) note(failing bool) bool {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.failing == failing {
		return false
	}
	c.failing = failing
	if !failing && c.mended != nil {
		close(c.mended)
		c.mended = nil
	}
	return true
}

// again is closed when it works the next time after it failed.
func (c *condition) again() <-chan struct{} {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.mended == nil {
		c.mended = make(chan struct{})
	}
	return c.mended
}

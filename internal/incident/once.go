package incident

import (
	"sync"
	"time"
)

const (
	// mostTold bounds what a Once remembers, and so tells in an hour.
	mostTold = 1000
	onceFor  = time.Hour
)

// Once knows what was told already, so that a mistake which each request meets is in the log once.
// What a key names may be made up by clients, so no more than mostTold are told within an hour, and
// the rest not at all: once there is no room, all are forgotten an hour later.
type Once struct {
	mu   sync.Mutex
	told map[any]struct{}
	full time.Time // when there was no room any more
}

// First reports whether a key is to be told now. It must be comparable.
func (o *Once) First(key any, now time.Time) bool {
	o.mu.Lock()
	defer o.mu.Unlock()
	if _, known := o.told[key]; known {
		return false
	}
	if len(o.told) >= mostTold {
		if since := now.Sub(o.full); 0 <= since && since < onceFor {
			return false
		}
		o.told = nil
	}
	if o.told == nil {
		o.told = make(map[any]struct{})
	}
	o.told[key], o.full = struct{}{}, now
	return true
}

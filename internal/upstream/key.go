package upstream

import (
	"sync/atomic"
	"time"
)

// Key is what reads learn of the API key.
type Key struct {
	accepted  atomic.Bool
	refusedAt atomic.Int64 // Unix nanoseconds; 0: never
}

// keyRefused is how long a refusal is believed: then a request may find out.
const keyRefused = time.Minute

// Note takes what a read has come to.
func (k *Key) Note(err error, now time.Time) {
	switch {
	case err == nil:
		k.accepted.Store(true)
	case Unauthorized(err):
		k.refusedAt.Store(now.UnixNano())
	}
}

// Refused reports whether the key was refused a moment ago and nothing was ever read.
func (k *Key) Refused(now time.Time) bool {
	at := k.refusedAt.Load()
	return at != 0 && !k.accepted.Load() && now.Sub(time.Unix(0, at)) < keyRefused
}

package counters

import "sync"

const (
	// mostLabels is how many values a label may have, OtherLabel what stands for all more.
	mostLabels = 1000
	// OtherLabel is the value of a label that has too many.
	OtherLabel = "other"
)

// Labels bounds the values of a label of metrics, each of which takes memory for good: clients may make
// them up where an app names a feature, or a router a route, by what a request says. Its methods may be
// called from any goroutine.
type Labels struct {
	known sync.Map // values

	mu sync.Mutex // while one is added
	n  int
}

// Of is the value, or OtherLabel.
func (l *Labels) Of(value string) string {
	if _, known := l.known.Load(value); known {
		return value
	}
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.n >= mostLabels {
		return OtherLabel
	}
	if _, known := l.known.LoadOrStore(value, nil); !known {
		l.n++
	}
	return value
}

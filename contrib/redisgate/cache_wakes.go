package redisgate

import "sync"

// wakes are those of this process who wait for the load of a set to end.
type wakes struct {
	mu sync.Mutex
	of map[string]*wake // by the set's key
}

type wake struct {
	waiting int
	ended   chan struct{}
	failed  bool // set before ended is closed
}

// join waits for what is told from now on. Leave ends it.
func (w *wakes) join(key string) *wake {
	w.mu.Lock()
	defer w.mu.Unlock()
	if w.of == nil {
		w.of = make(map[string]*wake)
	}
	one := w.of[key]
	if one == nil {
		one = &wake{ended: make(chan struct{})}
		w.of[key] = one
	}
	one.waiting++
	return one
}

func (w *wakes) leave(key string, one *wake) {
	w.mu.Lock()
	defer w.mu.Unlock()
	if one.waiting--; one.waiting == 0 && w.of[key] == one {
		delete(w.of, key)
	}
}

// tell tells that a load has ended.
func (w *wakes) tell(key string, failed bool) {
	w.mu.Lock()
	defer w.mu.Unlock()
	if one := w.of[key]; one != nil {
		one.failed = failed
		close(one.ended)
		delete(w.of, key)
	}
}

package recorder

import (
	"bufio"
	"io"
	"net"
	"net/http"
)

// A writer's abilities are its methods, and Go makes no methods at run time, so there is a
// type for each set of them. Its name has a letter for each ability: F flushes, H hijacks,
// R reads from, P pushes, C notifies of a close. Each embeds the one without its last
// letter and adds that letter's method. A recorder of any type is one allocation.

// New returns a writer to hand on in place of w, and what watches it.
func New(w http.ResponseWriter) (http.ResponseWriter, *Recorder) {
	s := shapes[abilities(w)]()
	r := s.recorder()
	r.inner = w
	return s, r
}

const (
	flushes = 1 << iota
	hijacks
	readsFrom
	pushes
	notifies
)

// abilities is the set of what w can do.
func abilities(w http.ResponseWriter) (set int) {
	if _, ok := w.(http.Flusher); ok {
		set |= flushes
	}
	if _, ok := w.(http.Hijacker); ok {
		set |= hijacks
	}
	if _, ok := w.(io.ReaderFrom); ok {
		set |= readsFrom
	}
	if _, ok := w.(http.Pusher); ok {
		set |= pushes
	}
	if _, ok := w.(http.CloseNotifier); ok { //nolint:staticcheck // who asks for it must get it
		set |= notifies
	}
	return set
}

// Of returns the recorder of a writer that New returned, nil for others.
func Of(w http.ResponseWriter) *Recorder {
	if s, ok := w.(shape); ok {
		return s.recorder()
	}
	return nil
}

type shape interface {
	http.ResponseWriter
	recorder() *Recorder
}

func (r *Recorder) recorder() *Recorder { return r }

// shapes are by what they can do.
var shapes = [1 << 5]func() shape{
	0:                                        func() shape { return new(Recorder) },
	flushes:                                  func() shape { return new(canF) },
	hijacks:                                  func() shape { return new(canH) },
	readsFrom:                                func() shape { return new(canR) },
	pushes:                                   func() shape { return new(canP) },
	notifies:                                 func() shape { return new(canC) },
	flushes | hijacks:                        func() shape { return new(canFH) },
	flushes | readsFrom:                      func() shape { return new(canFR) },
	flushes | pushes:                         func() shape { return new(canFP) },
	flushes | notifies:                       func() shape { return new(canFC) },
	hijacks | readsFrom:                      func() shape { return new(canHR) },
	hijacks | pushes:                         func() shape { return new(canHP) },
	hijacks | notifies:                       func() shape { return new(canHC) },
	readsFrom | pushes:                       func() shape { return new(canRP) },
	readsFrom | notifies:                     func() shape { return new(canRC) },
	pushes | notifies:                        func() shape { return new(canPC) },
	flushes | hijacks | readsFrom:            func() shape { return new(canFHR) },
	flushes | hijacks | pushes:               func() shape { return new(canFHP) },
	flushes | hijacks | notifies:             func() shape { return new(canFHC) },
	flushes | readsFrom | pushes:             func() shape { return new(canFRP) },
	flushes | readsFrom | notifies:           func() shape { return new(canFRC) },
	flushes | pushes | notifies:              func() shape { return new(canFPC) },
	hijacks | readsFrom | pushes:             func() shape { return new(canHRP) },
	hijacks | readsFrom | notifies:           func() shape { return new(canHRC) },
	hijacks | pushes | notifies:              func() shape { return new(canHPC) },
	readsFrom | pushes | notifies:            func() shape { return new(canRPC) },
	flushes | hijacks | readsFrom | pushes:   func() shape { return new(canFHRP) },
	flushes | hijacks | readsFrom | notifies: func() shape { return new(canFHRC) },
	flushes | hijacks | pushes | notifies:    func() shape { return new(canFHPC) },
	flushes | readsFrom | pushes | notifies:  func() shape { return new(canFRPC) },
	hijacks | readsFrom | pushes | notifies:  func() shape { return new(canHRPC) },
	flushes | hijacks | readsFrom | pushes | notifies: func() shape { return new(canFHRPC) },
}

type (
	canF     struct{ Recorder }
	canH     struct{ Recorder }
	canR     struct{ Recorder }
	canP     struct{ Recorder }
	canC     struct{ Recorder }
	canFH    struct{ canF }
	canFR    struct{ canF }
	canFP    struct{ canF }
	canFC    struct{ canF }
	canHR    struct{ canH }
	canHP    struct{ canH }
	canHC    struct{ canH }
	canRP    struct{ canR }
	canRC    struct{ canR }
	canPC    struct{ canP }
	canFHR   struct{ canFH }
	canFHP   struct{ canFH }
	canFHC   struct{ canFH }
	canFRP   struct{ canFR }
	canFRC   struct{ canFR }
	canFPC   struct{ canFP }
	canHRP   struct{ canHR }
	canHRC   struct{ canHR }
	canHPC   struct{ canHP }
	canRPC   struct{ canRP }
	canFHRP  struct{ canFHR }
	canFHRC  struct{ canFHR }
	canFHPC  struct{ canFHP }
	canFRPC  struct{ canFRP }
	canHRPC  struct{ canHRP }
	canFHRPC struct{ canFHRP }
)

func (s *canF) Flush() { _ = s.FlushError() }

func (s *canH) Hijack() (net.Conn, *bufio.ReadWriter, error)  { return s.hijack() }
func (s *canFH) Hijack() (net.Conn, *bufio.ReadWriter, error) { return s.hijack() }

func (s *canR) ReadFrom(src io.Reader) (int64, error)   { return s.readFrom(src) }
func (s *canFR) ReadFrom(src io.Reader) (int64, error)  { return s.readFrom(src) }
func (s *canHR) ReadFrom(src io.Reader) (int64, error)  { return s.readFrom(src) }
func (s *canFHR) ReadFrom(src io.Reader) (int64, error) { return s.readFrom(src) }

func (s *canP) Push(to string, o *http.PushOptions) error    { return s.push(to, o) }
func (s *canFP) Push(to string, o *http.PushOptions) error   { return s.push(to, o) }
func (s *canHP) Push(to string, o *http.PushOptions) error   { return s.push(to, o) }
func (s *canRP) Push(to string, o *http.PushOptions) error   { return s.push(to, o) }
func (s *canFHP) Push(to string, o *http.PushOptions) error  { return s.push(to, o) }
func (s *canFRP) Push(to string, o *http.PushOptions) error  { return s.push(to, o) }
func (s *canHRP) Push(to string, o *http.PushOptions) error  { return s.push(to, o) }
func (s *canFHRP) Push(to string, o *http.PushOptions) error { return s.push(to, o) }

func (s *canC) CloseNotify() <-chan bool     { return s.closeNotify() }
func (s *canFC) CloseNotify() <-chan bool    { return s.closeNotify() }
func (s *canHC) CloseNotify() <-chan bool    { return s.closeNotify() }
func (s *canRC) CloseNotify() <-chan bool    { return s.closeNotify() }
func (s *canPC) CloseNotify() <-chan bool    { return s.closeNotify() }
func (s *canFHC) CloseNotify() <-chan bool   { return s.closeNotify() }
func (s *canFRC) CloseNotify() <-chan bool   { return s.closeNotify() }
func (s *canFPC) CloseNotify() <-chan bool   { return s.closeNotify() }
func (s *canHRC) CloseNotify() <-chan bool   { return s.closeNotify() }
func (s *canHPC) CloseNotify() <-chan bool   { return s.closeNotify() }
func (s *canRPC) CloseNotify() <-chan bool   { return s.closeNotify() }
func (s *canFHRC) CloseNotify() <-chan bool  { return s.closeNotify() }
func (s *canFHPC) CloseNotify() <-chan bool  { return s.closeNotify() }
func (s *canFRPC) CloseNotify() <-chan bool  { return s.closeNotify() }
func (s *canHRPC) CloseNotify() <-chan bool  { return s.closeNotify() }
func (s *canFHRPC) CloseNotify() <-chan bool { return s.closeNotify() }

package gate

import (
	"bufio"
	"io"
	"net"
	"net/http"
)

// The shapes a recorder takes, one for each set of abilities: f flushes, h hijacks,
// r reads from, p pushes. Each embeds the one with an ability less, so a recorder is
// one allocation.
type (
	shape     struct{ Recorder }
	shapeF    struct{ shape }
	shapeH    struct{ shape }
	shapeR    struct{ shape }
	shapeP    struct{ shape }
	shapeFH   struct{ shapeF }
	shapeFR   struct{ shapeF }
	shapeFP   struct{ shapeF }
	shapeHR   struct{ shapeH }
	shapeHP   struct{ shapeH }
	shapeRP   struct{ shapeR }
	shapeFHR  struct{ shapeFH }
	shapeFHP  struct{ shapeFH }
	shapeFRP  struct{ shapeFR }
	shapeHRP  struct{ shapeHR }
	shapeFHRP struct{ shapeFHR }
)

func (s *shapeF) Flush() { _ = s.FlushError() }

func (s *shapeH) Hijack() (net.Conn, *bufio.ReadWriter, error)  { return s.hijack() }
func (s *shapeFH) Hijack() (net.Conn, *bufio.ReadWriter, error) { return s.hijack() }

func (s *shapeR) ReadFrom(src io.Reader) (int64, error)   { return s.readFrom(src) }
func (s *shapeFR) ReadFrom(src io.Reader) (int64, error)  { return s.readFrom(src) }
func (s *shapeHR) ReadFrom(src io.Reader) (int64, error)  { return s.readFrom(src) }
func (s *shapeFHR) ReadFrom(src io.Reader) (int64, error) { return s.readFrom(src) }

func (s *shapeP) Push(t string, o *http.PushOptions) error    { return s.push(t, o) }
func (s *shapeFP) Push(t string, o *http.PushOptions) error   { return s.push(t, o) }
func (s *shapeHP) Push(t string, o *http.PushOptions) error   { return s.push(t, o) }
func (s *shapeRP) Push(t string, o *http.PushOptions) error   { return s.push(t, o) }
func (s *shapeFHP) Push(t string, o *http.PushOptions) error  { return s.push(t, o) }
func (s *shapeFRP) Push(t string, o *http.PushOptions) error  { return s.push(t, o) }
func (s *shapeHRP) Push(t string, o *http.PushOptions) error  { return s.push(t, o) }
func (s *shapeFHRP) Push(t string, o *http.PushOptions) error { return s.push(t, o) }

// shaped returns w's recorder in the shape of these abilities.
func shaped(w http.ResponseWriter, flush, hijack, read, push bool) (http.ResponseWriter, *Recorder) {
	base := shape{Recorder{inner: w}}
	switch {
	case flush && hijack && read && push:
		s := &shapeFHRP{shapeFHR{shapeFH{shapeF{base}}}}
		return s, &s.Recorder
	case flush && hijack && read:
		s := &shapeFHR{shapeFH{shapeF{base}}}
		return s, &s.Recorder
	case flush && hijack && push:
		s := &shapeFHP{shapeFH{shapeF{base}}}
		return s, &s.Recorder
	case flush && read && push:
		s := &shapeFRP{shapeFR{shapeF{base}}}
		return s, &s.Recorder
	case hijack && read && push:
		s := &shapeHRP{shapeHR{shapeH{base}}}
		return s, &s.Recorder
	case flush && hijack:
		s := &shapeFH{shapeF{base}}
		return s, &s.Recorder
	case flush && read:
		s := &shapeFR{shapeF{base}}
		return s, &s.Recorder
	case flush && push:
		s := &shapeFP{shapeF{base}}
		return s, &s.Recorder
	case hijack && read:
		s := &shapeHR{shapeH{base}}
		return s, &s.Recorder
	case hijack && push:
		s := &shapeHP{shapeH{base}}
		return s, &s.Recorder
	case read && push:
		s := &shapeRP{shapeR{base}}
		return s, &s.Recorder
	case flush:
		s := &shapeF{base}
		return s, &s.Recorder
	case hijack:
		s := &shapeH{base}
		return s, &s.Recorder
	case read:
		s := &shapeR{base}
		return s, &s.Recorder
	case push:
		s := &shapeP{base}
		return s, &s.Recorder
	default:
		s := &base
		return s, &s.Recorder
	}
}

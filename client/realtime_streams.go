package client

import (
	"bytes"
	"context"
	"encoding/json"
	"strconv"
	"sync"
	"time"
)

// frame is one message of graphql-transport-ws.
type frame struct {
	ID      string          `json:"id,omitempty"`
	Type    string          `json:"type"`
	Payload json.RawMessage `json:"payload,omitempty"`
}

// parseFrame is false for what is no frame, or one of a type that no server sends.
func parseFrame(raw []byte) (frame, bool) {
	var f frame
	if json.Unmarshal(raw, &f) != nil {
		return frame{}, false
	}
	switch f.Type {
	case "connection_ack", "ping", "pong", "next", "error", "complete":
		return f, true
	}
	return frame{}, false
}

// stream is one kind of event. It is subscribed to again whenever Stigg ends it.
type stream struct {
	forms []form
	// optional: Stigg may not have it, and says the most of it elsewhere.
	optional bool

	form    int       // of forms, the one that is asked for
	id      string    // of the subscription; empty while there is none
	ping    int       // the number of the ping that was sent after it
	settled time.Time // when it stands; zero until that ping is answered
	retryAt time.Time // when to ask again
	failed  int       // in a row
	without bool      // Stigg has none
}

func wantedStreams() []*stream {
	return []*stream{
		{forms: entitlementForms},
		{forms: usageForms},
		{forms: packageForms},
		{forms: creditForms, optional: true}, // usageUpdatedV2 tells of wallets too
	}
}

// next is when something is to be done about it.
func (st *stream) next() time.Time {
	if st.id == "" && !st.without {
		return st.retryAt
	}
	return st.settled
}

// drop ends the subscription on our side.
func (st *stream) drop(again time.Time) {
	st.id, st.settled, st.retryAt = "", time.Time{}, again
}

// routes says which subscription is of which form.
type routes struct {
	mu   sync.Mutex
	last int
	byID map[string]form
}

func (r *routes) open(f form) string {
	r.mu.Lock()
	defer r.mu.Unlock()
	if r.byID == nil {
		r.byID = make(map[string]form, 4)
	}
	r.last++
	id := strconv.Itoa(r.last)
	r.byID[id] = f
	return id
}

func (r *routes) close(id string) {
	r.mu.Lock()
	defer r.mu.Unlock()
	delete(r.byID, id)
}

func (r *routes) get(id string) (form, bool) {
	r.mu.Lock()
	defer r.mu.Unlock()
	f, ok := r.byID[id]
	return f, ok
}

// subscribe asks for the streams that are due and reports whether there was one. A ping
// must follow: its answer tells that Stigg has read the requests.
func (s *session) subscribe(ctx context.Context, now time.Time) (bool, *ending) {
	asked := false
	for _, st := range s.streams {
		if st.id != "" || st.without || now.Before(st.retryAt) {
			continue
		}
		f := st.forms[st.form]
		st.id, st.ping, asked = s.routes.open(f), s.pings+1, true
		payload, err := json.Marshal(map[string]string{"operationName": f.name, "query": f.document})
		if err != nil {
			return asked, failing(ErrInvalidInput, "a document can't be encoded", nil)
		}
		if lost := s.write(ctx, frame{ID: st.id, Type: "subscribe", Payload: payload}); lost != nil {
			return asked, lost
		}
	}
	return asked, nil
}

// stand reports whether all that is wanted is subscribed to.
func (s *session) stand(now time.Time) bool {
	for _, st := range s.streams {
		if st.without && st.optional {
			continue
		}
		if st.id == "" || st.settled.IsZero() || now.Before(st.settled) {
			return false
		}
		if !s.live.IsZero() && now.Sub(s.live) >= s.c.watching.stableAfter {
			st.failed = 0
		}
	}
	return true
}

// handle takes what the reader does not pass on by itself.
func (s *session) handle(ctx context.Context, f frame) *ending {
	switch f.Type {
	case "connection_ack":
		if s.acked {
			s.c.news.ignored.Add(1)
			return nil
		}
		s.acked = true
		s.c.news.connected.Add(1)
	case "ping":
		return s.write(ctx, frame{Type: "pong"})
	case "pong":
		s.ponged(time.Now())
	case "error", "complete":
		return s.over(f)
	}
	return nil
}

// ponged: Stigg has read what was sent before that ping. A refusal of a subscription may
// be a moment behind.
func (s *session) ponged(now time.Time) {
	s.pongs = min(s.pongs+1, s.pings)
	for _, st := range s.streams {
		if st.id != "" && st.settled.IsZero() && st.ping <= s.pongs {
			st.settled = now.Add(s.c.watching.calm(s.flaps + st.failed))
		}
	}
}

// over: Stigg has ended or refused a subscription.
func (s *session) over(f frame) *ending {
	var st *stream
	for _, one := range s.streams {
		if f.ID != "" && one.id == f.ID {
			st = one
		}
	}
	if st == nil {
		s.c.news.ignored.Add(1)
		return nil
	}
	s.routes.close(st.id)
	w, now, random := s.c.watching, time.Now(), s.c.random()
	st.failed++
	again := now.Add(w.wait(st.failed, random))
	if f.Type == "complete" {
		st.drop(again)
		return nil
	}
	s.c.news.refused.Add(1)
	e := s.refusal(f.Payload)
	switch {
	case e.Is(ErrUnauthenticated):
		return &ending{err: e, refused: true}
	case e.Is(ErrRateLimited), e.Is(ErrUnavailable):
		st.drop(again)
	case st.form+1 < len(st.forms):
		st.form, st.failed = st.form+1, 0
		st.drop(now)
	case st.optional:
		st.without = true
		st.drop(time.Time{})
	default:
		st.form = 0
		st.drop(now.Add(jittered(w.refusedWait, random)))
	}
	return nil
}

// refusal is the error of a list of GraphQL errors; of several, that of the key counts.
func (s *session) refusal(list json.RawMessage) *Error {
	var all []graphqlError
	_ = json.Unmarshal(list, &all)
	e := &Error{Operation: opWatch, Code: ErrUnknown}
	for i, g := range all {
		one := g.read(s.key.within)
		if i == 0 || one.Is(ErrUnauthenticated) {
			e.Code, e.Message, e.TraceID = one.Code, one.Message, one.TraceID
		}
	}
	return e
}

// event passes one event on. If it is none but the news that the key is refused, it is
// given back as the error that it is.
func (s *session) event(f frame) (refusal frame, refused bool, lost *ending) {
	var p struct {
		Data   map[string]json.RawMessage `json:"data"`
		Errors json.RawMessage            `json:"errors"`
	}
	form, ok := s.routes.get(f.ID)
	if !ok || json.Unmarshal(f.Payload, &p) != nil {
		s.c.news.ignored.Add(1)
		return frame{}, false, nil
	}
	sink := s.sink
	if len(p.Errors) > 0 && !bytes.Equal(p.Errors, []byte("null")) && !bytes.Equal(p.Errors, []byte("[]")) {
		if s.refusal(p.Errors).Is(ErrUnauthenticated) {
			return frame{ID: f.ID, Type: "error", Payload: p.Errors}, true, nil
		}
		sink = doubtful{sink} // what is beside an error is not believed
	}
	understood := false
	if lost = s.tell(func() { understood = form.pass(sink, p.Data[form.field]) }); lost != nil {
		return frame{}, false, lost
	}
	if understood {
		s.c.news.events.Add(1)
	} else {
		s.c.news.ignored.Add(1)
	}
	return frame{}, false, nil
}

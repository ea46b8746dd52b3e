package main

import (
	"context"
	"io"
	"net/http"
	"sync"
	"time"

	"github.com/stiggate/gate"
	"github.com/stiggate/gate/client"
)

// news tells open pages that something of their customer has changed.
type news struct {
	mu     sync.Mutex
	pages  map[chan struct{}]string // the customer
	closed chan struct{}
	close  func() // ends all streams
}

func newNews() *news {
	closed := make(chan struct{})
	return &news{pages: map[chan struct{}]string{}, closed: closed, close: sync.OnceFunc(func() { close(closed) })}
}

// tell wakes the pages of a customer; with an empty id, all.
func (n *news) tell(customer string) {
	n.mu.Lock()
	defer n.mu.Unlock()
	for page, of := range n.pages {
		if customer != "" && of != customer {
			continue
		}
		select {
		case page <- struct{}{}:
		default: // it is to wake already
		}
	}
}

// listen is woken by news of the customer, until stop.
func (n *news) listen(customer string) (page chan struct{}, stop func()) {
	page = make(chan struct{}, 1)
	n.mu.Lock()
	defer n.mu.Unlock()
	n.pages[page] = customer
	return page, func() {
		n.mu.Lock()
		defer n.mu.Unlock()
		delete(n.pages, page)
	}
}

// watched is Stigg as the gate knows it, overheard: what realtime tells the gate is told to the
// pages next, so that a page that asks again finds the gate informed.
type watched struct {
	*client.Client
	news *news
}

func (w watched) Watch(ctx context.Context, sink gate.Sink) error {
	return w.Client.Watch(ctx, overheard{sink, w.news})
}

type overheard struct {
	gate.Sink
	news *news
}

func (o overheard) Replace(c gate.Customer, set gate.EntitlementSet) {
	o.Sink.Replace(c, set)
	o.news.tell(c.ID)
}

func (o overheard) Patch(c gate.Customer, p gate.Patch) {
	o.Sink.Patch(c, p)
	o.news.tell(c.ID)
}

func (o overheard) Invalidate(c gate.Customer) {
	o.Sink.Invalidate(c)
	o.news.tell(c.ID)
}

func (o overheard) InvalidateAll() {
	o.Sink.InvalidateAll()
	o.news.tell("")
}

// streamNews sends an event whenever something of the account has changed, one at the
// beginning, for what changed before, and some after each, less and less often, since usage that
// is on its way to Stigg arrives within seconds.
func (a *app) streamNews(w http.ResponseWriter, r *http.Request, who account) {
	woken, stop := a.news.listen(who.ID)
	defer stop()
	w.Header().Set("Content-Type", "text/event-stream")
	out := http.NewResponseController(w)
	wait := time.Second
	later := time.After(wait)
	for {
		if _, err := io.WriteString(w, "data: changed\n\n"); err != nil || out.Flush() != nil {
			return
		}
		select {
		case <-woken:
			wait = time.Second
			later = time.After(wait)
		case <-later:
			if wait *= 2; wait < 10*time.Second {
				later = time.After(wait)
			}
		case <-r.Context().Done():
			return
		case <-a.news.closed:
			return
		}
	}
}

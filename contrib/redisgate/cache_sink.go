package redisgate

import (
	"context"
	"encoding/json"
	"sync"
	"time"

	"github.com/stiggate/gate"
)

// Sink is SharedSource's.
func (c *cache) Sink() gate.Sink { return &hooks{c} }

// hooks takes news that this replica alone hears.
type hooks struct{ c *cache }

func (h *hooks) Replace(who gate.Customer, set gate.EntitlementSet) {
	h.c.tell(news{Customer: who, Set: &set}, nil)
}
func (h *hooks) Patch(who gate.Customer, p gate.Patch) {
	h.c.tell(news{Customer: who, Patch: &p}, nil)
}
func (h *hooks) Invalidate(who gate.Customer) { h.c.tell(news{Customer: who}, nil) }
func (h *hooks) InvalidateAll()               { h.c.tell(news{all: true}, nil) }

// SetLive tells the gates of this replica: it says nothing of others.
func (h *hooks) SetLive(live bool) {
	h.c.fleet.setLive(live)
	h.c.sinks.each(func(s gate.Sink) { s.SetLive(live) })
}

// pushes takes news that Stigg tells all replicas who watch.
type pushes struct {
	c     *cache
	sink  gate.Sink
	works func()
}

func (p *pushes) Replace(who gate.Customer, set gate.EntitlementSet) {
	p.c.tell(news{Customer: who, Set: &set, Pushed: true}, p.sink)
}
func (p *pushes) Patch(who gate.Customer, patch gate.Patch) {
	p.c.tell(news{Customer: who, Patch: &patch, Pushed: true}, p.sink)
}
func (p *pushes) Invalidate(who gate.Customer) {
	p.c.tell(news{Customer: who, Pushed: true}, p.sink)
}
func (p *pushes) InvalidateAll() { p.c.tell(news{all: true, Pushed: true}, p.sink) }

func (p *pushes) SetLive(live bool) {
	if p.c.fleet.setLive(live); live {
		p.works()
	}
	p.sink.SetLive(live)
	p.c.out.tellLive(p.c)
}

// Interrupted is gate.InterruptionSink's.
func (p *pushes) Interrupted(err error) {
	if to, ok := p.sink.(gate.InterruptionSink); ok {
		to.Interrupted(err)
	}
}

// tell tells the gate that has heard something, or all of this replica, and then the others.
func (c *cache) tell(n news, sink gate.Sink) {
	if n.From = c.id; !n.all && n.Customer.Validate() != nil {
		return
	}
	if n.Patch == nil || !n.Pushed { // else all have it who watch, and it makes nothing stale
		c.out.add(c, n)
	}
	if sink != nil {
		n.tell(sink)
	} else {
		c.sinks.each(n.tell)
	}
}

const (
	// mostOutgoing bounds the news that wait for Redis, and longestOutgoing says how long. With more, or
	// after that, there is one in their place, that all is stale.
	mostOutgoing    = 10_000
	longestOutgoing = time.Minute
	// givenUp is after how long a Redis is given up when no gate runs any more.
	givenUp = 10 * time.Second
)

// outgoing are news for Redis, in order. A goroutine sends them while there are any.
type outgoing struct {
	mu      sync.Mutex
	waiting []news
	first   time.Time // when the first of them came to be it
	alls    int       // those that make all stale
	sending bool
	beat    bool // whether news arrive here has changed
}

// changing reports whether all is stale, and Redis does not know it yet.
func (o *outgoing) changing() bool {
	o.mu.Lock()
	defer o.mu.Unlock()
	return o.alls > 0
}

func (o *outgoing) add(c *cache, n news) {
	o.mu.Lock()
	defer o.mu.Unlock()
	if o.waiting = append(o.waiting, n); n.all {
		o.alls++
	}
	if len(o.waiting) > mostOutgoing {
		o.join(c)
	}
	o.run(c)
}

// tellLive has Redis told whether news arrive here.
func (o *outgoing) tellLive(c *cache) {
	o.mu.Lock()
	defer o.mu.Unlock()
	o.beat = true
	o.run(c)
}

func (o *outgoing) run(c *cache) {
	if !o.sending {
		o.sending, o.first = true, time.Now()
		go o.send(c)
	}
}

// join puts one in place of those that wait.
func (o *outgoing) join(c *cache) {
	o.waiting, o.alls, o.first = []news{{From: c.id, all: true}}, 1, time.Now()
}

// next is what is to be told next. It is false if there is nothing.
func (o *outgoing) next(c *cache) (n news, beat, more bool) {
	o.mu.Lock()
	defer o.mu.Unlock()
	switch age := time.Since(o.first); {
	case o.beat:
		o.beat = false
		return n, true, true
	case age > givenUp && c.sinks.none():
		o.waiting, o.alls = nil, 0
	case age > longestOutgoing && len(o.waiting) > 0 && !o.waiting[0].all:
		o.join(c)
	}
	if len(o.waiting) == 0 {
		o.sending, o.waiting = false, nil
		return n, false, false
	}
	return o.waiting[0], false, true
}

// sent takes out the first, which was told.
func (o *outgoing) sent(all bool) {
	o.mu.Lock()
	defer o.mu.Unlock()
	if len(o.waiting) == 0 || o.waiting[0].all != all {
		return // others stand in its place by now
	}
	if o.waiting, o.first = o.waiting[1:], time.Now(); all {
		o.alls--
	}
}

func (o *outgoing) send(c *cache) {
	for pause := firstRest; ; {
		n, beat, more := o.next(c)
		if !more {
			return
		}
		if err := c.publish(context.Background(), &n, beat); err != nil {
			sleep(context.Background(), pause)
			pause = min(2*pause, longestRest)
			continue
		}
		if pause = firstRest; !beat {
			o.sent(n.all)
		}
	}
}

// publish makes stale what Redis keeps, and tells the other replicas.
func (c *cache) publish(ctx context.Context, n *news, beat bool) error {
	if beat || n.all {
		return c.beat(ctx, n.all)
	}
	message, err := json.Marshal(n)
	if err != nil { // an amount that is none: the others read the set
		message, err = json.Marshal(news{From: n.From, Customer: n.Customer, Pushed: n.Pushed})
	}
	if err != nil {
		return nil
	}
	k := c.keysOf(n.Customer)
	return c.link.do(ctx, func(ctx context.Context) error {
		if n.Patch != nil { // what is kept has its own age, and does not know of it
			return c.client.Do(ctx, c.client.B().Publish().Channel(c.newsChannel()).Message(string(message)).Build()).Error()
		}
		return c.scripts.stale.Exec(ctx, c.client, []string{k.set, k.load, k.stale}, []string{c.override(), c.keep(), c.newsChannel(), string(message)}).Error()
	})
}

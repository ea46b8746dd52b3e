package gate

import (
	"context"
	"errors"
	"time"
)

var errOffline = errors.New("the gate is offline")

// nowhere stands for Stigg in a gate that is offline.
type nowhere struct{}

func (nowhere) Entitlements(context.Context, Customer) (EntitlementSet, error) {
	return EntitlementSet{}, errOffline
}

// Report counts usage as arrived.
func (nowhere) Report(_ context.Context, batch []Usage) ([]Ack, error) {
	return make([]Ack, len(batch)), nil
}

// goOffline puts nowhere in place of Stigg.
func (c *config) goOffline(source *Source) error {
	switch {
	case c.outbox != nil || c.reporter != nil:
		return errors.New("a gate that is offline reports to nobody, so it takes no outbox and no reporter")
	case c.outage.says != AllowOnOutage && c.outage.fallback == nil:
		return errors.New("a gate that is offline needs WithFallback or WithOnOutage(AllowOnOutage)")
	}
	*source, c.reporter = nowhere{}, nowhere{}
	return nil
}

// follow takes news until ctx ends.
func (g *Gate) follow(ctx context.Context, w Watcher) {
	late := time.AfterFunc(silence, g.cache.silent)
	defer late.Stop()
	err := w.Watch(ctx, g)
	g.Live(false)
	if err != nil && ctx.Err() == nil {
		g.cache.lost.Store(true)
		g.logger.Error("gate: changes in Stigg are not told any more; they are felt when what is cached expires", "error", err)
	}
}

// remember keeps a customer's book, since nothing else does offline.
func (k *cache) remember(c Customer, s *snapshot) {
	if k.entries.Contains(c) {
		return
	}
	k.mu.Lock()
	defer k.mu.Unlock()
	if !k.closed && !k.entries.Contains(c) {
		k.keep(c, s)
	}
}

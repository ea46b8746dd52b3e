package delivery

import (
	"time"

	"github.com/stiggate/gate/internal/ledger"
)

// What becomes of items that have left: they are acknowledged, or refused for good.

// acknowledge ends the stay of a batch that Stigg has counted.
func (l *lane[U]) acknowledge(batch []Item[U], acks []ledger.Ack) {
	now := l.Now()
	for i := range batch {
		batch[i].Entry.Acknowledge(acks[i], now)
	}
	l.acknowledged.Add(uint64(len(batch)))
	for i := range batch {
		batch[i].Entry.Notify()
	}
	l.store.done(batch)
	l.left(batch)
}

// refuse ends the stay of one that Stigg does not take.
func (l *lane[U]) refuse(i Item[U], err error) {
	var now time.Time
	if i.tried {
		now = l.Now()
	}
	i.Entry.Refuse(i.tried, now)
	l.refused.Add(1)
	l.store.setAside(i.Key, err)
	i.Entry.Notify()
	if l.OnRefused != nil {
		l.OnRefused(i.Usage, err)
	}
	l.left([]Item[U]{i})
}

// left frees the places and closes the entries.
func (l *lane[U]) left(batch []Item[U]) {
	for i := range batch {
		batch[i].Entry.Close()
	}
	l.mu.Lock()
	defer l.mu.Unlock()
	l.flying -= len(batch)
	l.places += len(batch)
	l.rest()
}

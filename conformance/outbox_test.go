package conformance_test

import (
	"context"
	"errors"
	"iter"
	"slices"
	"sync"
	"testing"

	"github.com/stiggate/gate"
	"github.com/stiggate/gate/conformance"
)

// memory is the simplest outbox that keeps the contract, as long as the process lives.
type memory struct {
	mu     sync.Mutex
	kept   []gate.Kept
	last   gate.Position
	closed bool
}

// same reports whether two usages are one for Stigg.
func same(a, b *gate.Usage) bool {
	return a.Key == b.Key && a.Customer == b.Customer && a.FeatureID == b.FeatureID && a.Event == b.Event && a.Currency == b.Currency
}

var errMemoryClosed = errors.New("closed")

func (m *memory) Append(ctx context.Context, u ...gate.Usage) error {
	m.mu.Lock()
	defer m.mu.Unlock()
	if err := errors.Join(ctx.Err(), m.state()); err != nil {
		return err
	}
	for _, one := range u {
		m.last++
		m.kept = append(m.kept, gate.Kept{Usage: one, At: m.last})
	}
	return nil
}

func (m *memory) state() error {
	if m.closed {
		return errMemoryClosed
	}
	return nil
}

func (m *memory) Done(u ...gate.Usage) error {
	m.mu.Lock()
	defer m.mu.Unlock()
	if m.closed {
		return errMemoryClosed
	}
	m.kept = slices.DeleteFunc(slices.Clone(m.kept), func(k gate.Kept) bool {
		return slices.ContainsFunc(u, func(u gate.Usage) bool { return same(&u, &k.Usage) })
	})
	return nil
}

func (m *memory) SetAside(u gate.Usage, _ string) error { return m.Done(u) }

func (m *memory) Pending(after gate.Position) iter.Seq2[gate.Kept, error] {
	m.mu.Lock()
	kept, err := slices.Clone(m.kept), m.state()
	m.mu.Unlock()
	return func(yield func(gate.Kept, error) bool) {
		if err != nil {
			yield(gate.Kept{}, err)
			return
		}
		for _, k := range kept {
			if k.At > after && !yield(k, nil) {
				return
			}
		}
	}
}

func (m *memory) Healthy() error {
	m.mu.Lock()
	defer m.mu.Unlock()
	return m.state()
}

func (m *memory) Close() error {
	m.mu.Lock()
	defer m.mu.Unlock()
	m.closed = true
	return nil
}

func TestOutboxInMemory(t *testing.T) {
	boxes := make(map[string]*memory) // by directory
	conformance.RunOutbox(t, func(dir string) (gate.Outbox, error) {
		m := &memory{}
		if old := boxes[dir]; old != nil {
			m.kept, m.last = old.kept, old.last
		}
		boxes[dir] = m
		return m, nil
	})
}

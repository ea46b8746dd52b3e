package gatetest_test

import (
	"context"
	"errors"
	"iter"
	"slices"
	"sync"
	"testing"

	"github.com/stiggate/gate"
	"github.com/stiggate/gate/gatetest"
)

// memory is the simplest outbox that keeps the contract, as long as the process lives.
type memory struct {
	mu     sync.Mutex
	kept   []gate.Usage
	closed bool
}

var errMemoryClosed = errors.New("closed")

func (m *memory) Append(ctx context.Context, u ...gate.Usage) error {
	m.mu.Lock()
	defer m.mu.Unlock()
	if err := errors.Join(ctx.Err(), m.state()); err != nil {
		return err
	}
	m.kept = append(m.kept, u...)
	return nil
}

func (m *memory) state() error {
	if m.closed {
		return errMemoryClosed
	}
	return nil
}

func (m *memory) Done(keys ...string) error {
	m.mu.Lock()
	defer m.mu.Unlock()
	if m.closed {
		return errMemoryClosed
	}
	m.kept = slices.DeleteFunc(m.kept, func(u gate.Usage) bool { return slices.Contains(keys, u.Key) })
	return nil
}

func (m *memory) SetAside(key, _ string) error { return m.Done(key) }

func (m *memory) Pending() iter.Seq2[gate.Usage, error] {
	m.mu.Lock()
	kept, err := slices.Clone(m.kept), m.state()
	m.mu.Unlock()
	return func(yield func(gate.Usage, error) bool) {
		if err != nil {
			yield(gate.Usage{}, err)
			return
		}
		for _, u := range kept {
			if !yield(u, nil) {
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
	gatetest.RunOutbox(t, func(dir string) (gate.Outbox, error) {
		m := &memory{}
		if old := boxes[dir]; old != nil {
			m.kept = old.kept
		}
		boxes[dir] = m
		return m, nil
	})
}

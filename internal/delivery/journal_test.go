package delivery

import (
	"context"
	"errors"
	"testing"
	"testing/synctest"
	"time"
)

// hangingStore keeps nothing until it is told to hurry.
type hangingStore struct {
	memoryStore
	given []context.Context
}

func (s *hangingStore) Append(ctx context.Context, _ []unit) error {
	s.mu.Lock()
	s.given = append(s.given, ctx)
	s.mu.Unlock()
	<-ctx.Done()
	return ctx.Err()
}

// keepOne keeps a usage as settling does.
func (f *fixture) keepOne() error {
	return f.Keep(context.Background(), []Item[unit]{{Usage: unit{key: "k", entry: f.entry()}}})
}

// TestARequestWaitsForTheStoreForFiveSeconds, whenever it begins to, and those at about the same time
// share a context, with its timer.
func TestARequestWaitsForTheStoreForFiveSeconds(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		store := new(hangingStore)
		f := newFixture(t, new(stigg), func(c *Config[unit]) { c.Store, c.Unkept = store, true })
		step := sharedFor / 5
		for range 20 {
			go func() {
				began := time.Now()
				err := f.keepOne()
				if !errors.Is(err, context.DeadlineExceeded) {
					t.Errorf("got %v", err)
				}
				if took := time.Since(began); took > keepTimeout || took < keepTimeout-sharedFor {
					t.Errorf("it waited for %v", took)
				}
			}()
			time.Sleep(step)
		}
		time.Sleep(keepTimeout + sharedFor)
		synctest.Wait()
		different := make(map[context.Context]bool)
		for _, ctx := range store.given {
			different[ctx] = true
		}
		if len(store.given) != 20 || len(different) != 4 {
			t.Errorf("%d contexts for %d that waited, want one for those of %v", len(different), len(store.given), sharedFor)
		}
	})
}

// TestAContextOfTheCallersIsKept: it may say what the Store should know, of the request it is from.
func TestAContextOfTheCallersIsKept(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		type key struct{}
		store := new(hangingStore)
		f := newFixture(t, new(stigg), func(c *Config[unit]) { c.Store, c.Unkept = store, true })
		ctx, cancel := context.WithTimeout(context.WithValue(t.Context(), key{}, "value"), time.Second)
		defer cancel()
		began := time.Now()
		_ = f.Keep(ctx, []Item[unit]{{Usage: unit{key: "k", entry: f.entry()}}})
		if took := time.Since(began); took != time.Second || store.given[0].Value(key{}) != "value" {
			t.Errorf("it waited for %v, and the Store was told %v", took, store.given[0].Value(key{}))
		}
	})
}

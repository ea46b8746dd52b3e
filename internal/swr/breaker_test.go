package swr

import (
	"errors"
	"fmt"
	"testing"
	"testing/synctest"
	"time"
)

func TestAnAnswerOfBeforeDoesNotEndTheRestThatStiggAsksFor(t *testing.T) {
	var b breaker[string]
	now := time.Now()
	_ = b.allow(now)
	_ = b.allow(now)
	b.done("c", down, 20*time.Second, errDown, now)
	b.done("c", understood, 0, nil, now.Add(time.Second)) // began before
	b.done("c", down, time.Second, errDown, now.Add(time.Second))
	if b.allow(now.Add(19*time.Second)) == nil {
		t.Error("Stigg is asked while it rests")
	}
	if b.allow(now.Add(21*time.Second)) != nil {
		t.Error("Stigg is not asked after it rested")
	}
	later := now.Add(21 * time.Second)
	if b.done("c", understood, 0, nil, later); b.allow(later) != nil || !b.until(later).IsZero() {
		t.Error("the breaker does not close")
	}
}

// TestOneParentOpensNoBreaker: a customer that orders as many refused or garbled answers as
// it likes keeps nobody else out.
func TestOneParentOpensNoBreaker(t *testing.T) {
	for name, says := range map[string]func(key) (*value, error){
		"refused":     fails(errRefused),
		"garbled":     fails(errGarbled),
		"a panic":     func(key) (*value, error) { panic("source") },
		"not granted": nothing,
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				s := &source{says: func(k key) (*value, error) {
					if k.parent == "thief" {
						return says(k)
					}
					return &value{}, nil
				}}
				k := cacheOf(t, s)
				for i := range 400 {
					_, _ = k.lookup(t, key{"thief", fmt.Sprint("made-up-", i)})
					if i%4 == 0 {
						if _, err := k.lookup(t, key{parent: fmt.Sprint("new-", i)}); err != nil {
							t.Fatalf("after %d answers of one customer another one is not read: %v", i, err)
						}
					}
				}
			})
		})
	}
}

func TestARefusalIsRememberedForSomeSeconds(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := &source{says: fails(errRefused)}
		k := cacheOf(t, s)
		for range 1000 {
			if _, err := k.lookup(t, key{parent: "c"}); !errors.Is(err, errRefused) {
				t.Fatalf("the answer is %v", err)
			}
			time.Sleep(10 * time.Millisecond)
		}
		if n := s.asked(""); n > 3 {
			t.Errorf("asked %d times within 10 s for what was refused", n)
		}
		if stats := k.Stats(); stats.Down || !stats.BrokenUntil.IsZero() {
			t.Errorf("a refusal is taken for an outage: %+v", stats)
		}
		s.answers(gives)
		time.Sleep(5 * time.Second)
		if _, err := k.lookup(t, key{parent: "c"}); err != nil {
			t.Errorf("refused for good: %v", err)
		}
	})
}

func TestWhatNobodyUnderstandsOfAnybodyIsAnOutage(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := &source{says: fails(errGarbled)}
		k := cacheOf(t, s)
		for i := range 1000 {
			_, _ = k.lookup(t, key{parent: fmt.Sprint("c", i)})
			time.Sleep(10 * time.Millisecond)
		}
		if n := s.asked(""); n > 5*breakAfter {
			t.Errorf("asked %d times within 10 s", n)
		}
		if !k.Stats().Down {
			t.Error("it is not told that the source is down")
		}
		s.answers(gives)
		time.Sleep(longestBreak)
		if _, err := k.lookup(t, key{parent: "later"}); err != nil {
			t.Errorf("the outage lasts: %v", err)
		}
	})
}

func TestAFewWhoAreUnderstoodKeepTheBreakerClosed(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := &source{says: func(k key) (*value, error) {
			if k.parent[0] == 'x' {
				return nil, errGarbled
			}
			return &value{}, nil
		}}
		k := cacheOf(t, s)
		for i := range 1000 { // four in five are garbled, each of another customer
			_, err := k.lookup(t, key{parent: fmt.Sprintf("%c-%d", "xxxxc"[i%5], i)})
			if i%5 == 4 && err != nil {
				t.Fatalf("customer %d is not read: %v", i, err)
			}
			time.Sleep(20 * time.Millisecond)
		}
	})
}

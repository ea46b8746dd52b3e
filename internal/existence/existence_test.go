package existence

import (
	"context"
	"errors"
	"testing"
	"testing/synctest"
	"time"
)

// bubble runs a test with answers whose clock is the bubble's.
func bubble(t *testing.T, test func(*testing.T, *Answers[int])) {
	t.Helper()
	synctest.Test(t, func(t *testing.T) {
		a := New[int](time.Now)
		test(t, a)
		a.Close(t.Context())
	})
}

func answers(yes bool, err error) func(context.Context) (bool, error) {
	return func(context.Context) (bool, error) { return yes, err }
}

func TestAnAnswerStandsUntilAnother(t *testing.T) {
	for name, tt := range map[string]struct {
		first, then func(context.Context) (bool, error)
		want        Answer // after then
		lasts       time.Duration
	}{
		"it exists, and is gone":      {answers(true, nil), answers(false, nil), No, time.Hour},
		"it is missing, and made":     {answers(false, nil), answers(true, nil), Yes, time.Minute},
		"it exists, and nobody knows": {answers(true, nil), answers(false, errors.New("down")), Yes, time.Hour},
		"it is missing, and nobody knows": {answers(false, nil), func(context.Context) (bool, error) { panic("at the disco") }, No,
			time.Minute},
		"nobody knew, and it exists": {answers(false, errors.New("down")), answers(true, nil), Yes, time.Minute},
	} {
		t.Run(name, func(t *testing.T) {
			bubble(t, func(t *testing.T, a *Answers[int]) {
				<-a.Ask(1, tt.first)
				before, ask := a.Look(1)
				if ask {
					t.Error("it is to be asked again at once")
				}
				time.Sleep(tt.lasts - time.Second)
				if _, ask = a.Look(1); ask {
					t.Error("it is to be asked too early")
				}
				time.Sleep(time.Second)
				if now, ask := a.Look(1); now != before || !ask {
					t.Errorf("expired, it is %v, to be asked: %v; it was %v", now, ask, before)
				}
				<-a.Ask(1, tt.then)
				if now, _ := a.Look(1); now != tt.want {
					t.Errorf("then it is %v, want %v", now, tt.want)
				}
			})
		})
	}
}

func TestOneQuestionForAll(t *testing.T) {
	bubble(t, func(t *testing.T, a *Answers[int]) {
		asked := 0
		slow := func(context.Context) (bool, error) { asked++; time.Sleep(time.Second); return true, nil }
		first := a.Ask(1, slow)
		for range 10 {
			if a.Ask(1, slow) != first {
				t.Error("another question")
			}
		}
		<-first
		if asked != 1 {
			t.Errorf("%d questions", asked)
		}
	})
}

func TestFewQuestionsAtOnce(t *testing.T) {
	bubble(t, func(t *testing.T, a *Answers[int]) {
		now, highest := make(chan int, 1), 0
		now <- 0
		add := func(n int) { v := <-now + n; highest = max(highest, v); now <- v }
		for key := range 100 {
			a.Ask(key, func(context.Context) (bool, error) { add(1); time.Sleep(time.Second); add(-1); return true, nil })
		}
		time.Sleep(time.Minute)
		if <-now; highest != atOnce {
			t.Errorf("%d at once, want %d", highest, atOnce)
		}
	})
}

func TestOfAnyNumberSomeAreKept(t *testing.T) {
	bubble(t, func(t *testing.T, a *Answers[int]) {
		for key := range most {
			<-a.Ask(key, answers(false, nil))
		}
		if a.Ask(-1, answers(true, nil)) != nil || len(a.kept) != most {
			t.Errorf("one more is asked of %d", len(a.kept))
		}
		time.Sleep(time.Minute) // they expire
		<-a.Ask(-1, answers(true, nil))
		if now, _ := a.Look(-1); now != Yes || len(a.kept) != 1 {
			t.Errorf("%v, %d kept", now, len(a.kept))
		}
	})
}

func TestCloseEndsWhatIsAsked(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		a := New[int](time.Now)
		hangs := func(ctx context.Context) (bool, error) { <-ctx.Done(); return false, ctx.Err() }
		pending := a.Ask(1, hangs)
		a.Close(t.Context())
		<-pending
		if now, _ := a.Look(1); now != Unknown || a.Ask(2, hangs) != nil {
			t.Errorf("it is %v, and asks on", now)
		}
	})
}

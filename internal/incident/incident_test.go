package incident

import (
	"bytes"
	"errors"
	"fmt"
	"log/slog"
	"regexp"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"pgregory.net/rapid"
)

// fixture is a State whose log is read, on a clock of its own.
type fixture struct {
	*State
	log bytes.Buffer
	now time.Time
	// refused is what the State costs.
	refused atomic.Uint64
}

func newFixture(t Terms) *fixture {
	f := &fixture{now: time.Unix(1_000_000, 0).UTC()}
	t.Logger = slog.New(slog.NewTextHandler(&f.log, &slog.HandlerOptions{ReplaceAttr: func(_ []string, a slog.Attr) slog.Attr {
		if a.Key == slog.TimeKey {
			return slog.Attr{}
		}
		return a
	}}))
	t.Costs = func() []Count { return []Count{{"refused", f.refused.Load()}} }
	t.Figures = func(now time.Time) []slog.Attr { return []slog.Attr{slog.Int64("at", now.Unix()-1_000_000)} }
	f.State = New(slog.LevelWarn, "it is broken", "it works again", t)
	return f
}

func (f *fixture) happens() {
	f.refused.Add(2)
	f.Happens(f.now, slog.Any("error", errors.New("down")))
}

func TestAnIncidentIsToldWithWhatItCosts(t *testing.T) {
	f := newFixture(Terms{})
	f.refused.Add(100) // of before
	f.Over(f.now)
	f.Tick(f.now)
	f.Happens(f.now, slog.String("error", "down"))
	for range 25 * 60 {
		f.now = f.now.Add(time.Second)
		f.happens()
	}
	f.Over(f.now)
	f.Over(f.now)
	f.Tick(f.now.Add(time.Hour))
	want := `level=WARN msg="it is broken" error=down at=0
level=WARN msg="it is broken" error=down since=1970-01-12T13:46:40.000Z lasted=1m0s times=61 refused=120 at=60
level=WARN msg="it is broken" error=down since=1970-01-12T13:46:40.000Z lasted=6m0s times=361 refused=720 at=360
level=WARN msg="it is broken" error=down since=1970-01-12T13:46:40.000Z lasted=21m0s times=1261 refused=2520 at=1260
level=INFO msg="it works again" lasted=25m0s times=1501 refused=3000 at=1500
`
	if f.log.String() != want {
		t.Errorf("got\n%swant\n%s", &f.log, want)
	}
}

// do is one step of a script: h happens, o over, t tick, and seconds.
func (f *fixture) do(script string) {
	for step := range strings.FieldsSeq(script) {
		switch step {
		case "h":
			f.happens()
		case "o":
			f.Over(f.now)
		case "t":
			f.Tick(f.now)
		default:
			d, err := time.ParseDuration(step)
			if err != nil {
				panic(err)
			}
			f.now = f.now.Add(d)
		}
	}
}

func TestWhatIsTold(t *testing.T) {
	for _, tt := range []struct {
		name, script, want string
		Terms
	}{
		{"what ends is told once", "h 1s h 1s o o t", "W0 I2", Terms{}},
		{"what lasts is told again by ticks alone", "h 59s t 1s t 299s t 1s t 15m t 30m t 29m t 1m t", "W0 W60 W360 W1260 W3060 W4860", Terms{}},
		{"what comes and goes is told once in a minute", "h 1s o 1s h 1s o 1s h 1s o", "W0 I1", Terms{}},
		{"what came back unsaid is told once it lasts", "h 1s o 1s h 57s t 1s t 1s o", "W0 I1 W60 I61", Terms{}},
		{"the end of what was not told is not told", "h 1s o 1s h 1s o 2m t", "W0 I1", Terms{}},
		{"what has no other end is over once it is quiet", "h 30s h 59s t 1s t", "W0 I90", Terms{Quiet: time.Minute}},
		{"what happens after it was quiet begins anew", "h 2m h", "W0 I120 W120", Terms{Quiet: time.Minute}},
		{"what is told once is not told again", "h 1h t h 1h t o", "W0 I7200", Terms{Once: true}},
		{"a clock that is set back tells it, and no time below zero", "h -24h t o", "W0 W-86400 I-86400", Terms{}},
	} {
		t.Run(tt.name, func(t *testing.T) {
			f := newFixture(tt.Terms)
			f.do(tt.script)
			var got []string
			for _, m := range regexp.MustCompile(`(?m)^level=(.).* at=(-?\d+)$`).FindAllStringSubmatch(f.log.String(), -1) {
				got = append(got, m[1]+m[2])
			}
			if strings.Join(got, " ") != tt.want || strings.Contains(f.log.String(), "lasted=-") {
				t.Errorf("got %v, want %s\n%s", got, tt.want, &f.log)
			}
		})
	}
}

// TestBeginningsAndEndsAlternate draws what happens: beginnings and ends are told in turns, with
// reminders between them alone, and no two beginnings are told within a minute.
func TestBeginningsAndEndsAlternate(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		f := newFixture(Terms{Quiet: time.Duration(rapid.SampledFrom([]int{0, 90}).Draw(t, "quiet")) * time.Second})
		began := time.Time{}
		is, told := false, false // it lasts; it was told
		for _, step := range rapid.SliceOf(rapid.SampledFrom([]string{"h", "h", "o", "t", "1s", "20s", "3m"})).Draw(t, "script") {
			f.log.Reset()
			f.do(step)
			switch step {
			case "h":
				is = true
			case "o":
				is = false
			}
			for l := range strings.SplitSeq(strings.TrimSpace(f.log.String()), "\n") {
				begins := strings.Contains(l, "broken")
				switch {
				case l == "":
				case begins && !told:
					if told = true; !began.IsZero() && f.now.Sub(began) < leastPause {
						t.Fatalf("two beginnings within %v", f.now.Sub(began))
					}
					began = f.now
				case begins && !strings.Contains(l, "lasted="):
					t.Fatalf("a reminder says nothing of how long: %s", l)
				case !begins && !told:
					t.Fatalf("an end of what was not told: %s", l)
				case !begins:
					told = false
				}
			}
			if step == "o" && told {
				t.Fatal("it is over, and nobody was told")
			}
			if f.Quiet == 0 && f.active.Load() != is {
				t.Fatalf("it lasts: %t, want %t", f.active.Load(), is)
			}
		}
	})
}

func TestAStateMayBeToldByMany(*testing.T) {
	f := newFixture(Terms{Quiet: time.Hour})
	f.Logger = slog.New(slog.DiscardHandler)
	done := make(chan struct{})
	for i := range 8 {
		go func() {
			defer func() { done <- struct{}{} }()
			for j := range 1000 {
				now := f.now.Add(time.Duration(j) * time.Second)
				f.Happens(now, slog.String("error", fmt.Sprint(i)))
				f.Tick(now)
				f.Over(now)
			}
		}()
	}
	for range 8 {
		<-done
	}
}

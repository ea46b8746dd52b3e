package graceful

import (
	"os"
	"testing"
	"testing/synctest"
	"time"
)

func TestSignalsThatComeTogetherAreOne(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		signals, ended := make(chan os.Signal, 1), make(chan struct{})
		steps := make(chan int, 9)
		step := func(n int) func() { return func() { steps <- n } }
		go escalate(signals, ended, step(1), step(2), step(3))
		begun := time.Now()
		for _, at := range []time.Duration{0, 1, echo - 1, echo + 1, echo + 2, 9 * time.Minute} {
			time.Sleep(time.Until(begun.Add(at)))
			signals <- os.Interrupt
			synctest.Wait()
			want := map[time.Duration]int{0: 1, echo + 1: 2, 9 * time.Minute: 3}[at]
			select {
			case got := <-steps:
				if got != want {
					t.Errorf("after %v: step %d, want %d", at, got, want)
				}
			default:
				if want != 0 {
					t.Errorf("after %v: no step, want %d", at, want)
				}
			}
		}
		close(ended)
	})
}

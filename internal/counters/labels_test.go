package counters

import (
	"fmt"
	"sync"
	"testing"
)

func TestALabelHasSoManyValues(t *testing.T) {
	var l Labels
	var wait sync.WaitGroup
	for range 4 {
		wait.Go(func() {
			for i := range 3 * mostLabels {
				value := fmt.Sprint(i)
				if got := l.Of(value); got != value && got != OtherLabel {
					t.Errorf("%s is %s", value, got)
				}
			}
		})
	}
	wait.Wait()
	kept := 0
	for i := range 3 * mostLabels {
		if l.Of(fmt.Sprint(i)) != OtherLabel {
			kept++
		}
	}
	if kept != mostLabels {
		t.Errorf("%d values, want %d", kept, mostLabels)
	}
}

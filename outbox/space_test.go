package outbox

import (
	"errors"
	"fmt"
	"math/rand/v2"
	"os"
	"path/filepath"
	"slices"
	"testing"
	"time"

	"github.com/stiggate/gate"
)

// TestTheFileStaysWithinMaxBytes fills an outbox again and again, and takes out of it in
// order or not.
func TestTheFileStaysWithinMaxBytes(t *testing.T) {
	for name, shuffled := range map[string]bool{"in order": false, "out of order": true} {
		t.Run(name, func(t *testing.T) {
			const maxBytes = 2 << 20
			dir := t.TempDir()
			o := open(t, dir, MaxBytes(maxBytes))
			var keys []string
			largest, most := int64(0), 0
			rounds := 4
			if *long {
				rounds = 12
			}
			for round := range rounds {
				keys = append(keys, untilFull(t, o, round)...)
				most = max(most, len(keys))
				if shuffled {
					rand.Shuffle(len(keys), func(i, j int) { keys[i], keys[j] = keys[j], keys[i] })
				}
				n := len(keys)/2 + rand.IntN(len(keys)/2)
				if err := errors.Join(o.Done(named(keys[:n]...)...), o.sync()); err != nil {
					t.Fatal(err)
				}
				keys = keys[n:]
				info, err := os.Stat(filepath.Join(dir, fileName))
				if err != nil {
					t.Fatal(err)
				}
				largest = max(largest, info.Size())
			}
			t.Logf("the file has %d bytes at most, with %d measurements", largest, most)
			if bound := int64(maxBytes + maxBytes/4); largest > bound {
				t.Errorf("the file has %d bytes, want %d at most", largest, bound)
			}
			if most < 1000 {
				t.Errorf("only %d measurements of about 400 bytes found room", most)
			}
		})
	}
}

func untilFull(t *testing.T, o *Outbox, round int) (keys []string) {
	t.Helper()
	for i := 0; ; {
		var batch []gate.Usage
		for range 1 + rand.IntN(20) {
			u := fresh(fmt.Sprintf("key-%d-%d", round, i))
			u.Dimensions = padding(rand.IntN(600))
			batch = append(batch, u)
			i++
		}
		err := o.Append(t.Context(), batch...)
		if full := new(FullError); errors.As(err, &full) {
			return keys
		}
		if err != nil {
			t.Fatal(err)
		}
		for j := range batch {
			keys = append(keys, batch[j].Key)
		}
	}
}

func TestWhatIsDoneIsWrittenFirstOnAFullDisk(t *testing.T) {
	ended := func(key, reason string) end {
		if reason == "" {
			return end{id: identityOf(key)}
		}
		return end{id: identityOf(key), refusal: &refusal{reason: reason, at: time.Unix(1, 0)}}
	}
	var w work
	for _, key := range []string{"unwritten", "unwritten and refused", "unwritten and done"} {
		u := sample(key)
		record, err := appendRecord(nil, &u)
		if err != nil {
			t.Fatal(err)
		}
		w.add(head{size: uint32(len(record)), sum: checksum(record)}, record)
	}
	w.ends = []end{
		ended("refused", "why"), ended("done", ""), ended("unwritten and refused", "why"), ended("refused", ""),
		ended("unwritten and done", ""), ended("unwritten and refused", ""),
	}
	n := w.sort()
	var ends, kept []string
	for _, e := range w.ends {
		ends = append(ends, keyOf([]byte(e.id)))
	}
	for i := range w.packs {
		for _, record := range w.packs[i].each {
			id, _, _ := peek(record)
			kept = append(kept, keyOf(id))
		}
	}
	want := []string{"done", "unwritten and done", "refused", "unwritten and refused", "refused", "unwritten and refused"}
	if n != 2 || !slices.Equal(ends, want) || w.ends[2].refusal == nil || w.ends[4].refusal != nil {
		t.Errorf("%d first, %q, want 2, %q", n, ends, want)
	}
	if !slices.Equal(kept, []string{"unwritten", "unwritten and refused"}) {
		t.Errorf("left to be written: %q", kept)
	}
}

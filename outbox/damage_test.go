package outbox

import (
	"bytes"
	"errors"
	"math/rand/v2"
	"os"
	"path/filepath"
	"strings"
	"testing"

	bolt "go.etcd.io/bbolt"
)

// unchanged says whether do has changed the file.
func unchanged(t *testing.T, path string, do func()) {
	t.Helper()
	before, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	do()
	if after, err := os.ReadFile(path); err != nil || !bytes.Equal(before, after) {
		t.Errorf("the file was changed, %v", err)
	}
}

// filled returns the path of an outbox with 300 measurements, each in a group of its own.
func filled(t *testing.T) string {
	t.Helper()
	dir := t.TempDir()
	o := open(t, dir)
	for _, key := range numbered(300) {
		keep(t, o, key)
	}
	closeBox(t, o)
	return filepath.Join(dir, fileName)
}

func TestAFileThatIsNotAnOutboxIsLeftAlone(t *testing.T) {
	for name, damage := range map[string]func([]byte) []byte{
		"text":                      func([]byte) []byte { return []byte("precious\n") },
		"much text":                 func([]byte) []byte { return bytes.Repeat([]byte("precious\n"), 10_000) },
		"zeros":                     func(b []byte) []byte { return make([]byte, len(b)) },
		"cut off in the first page": func(b []byte) []byte { return b[:100] },
		"cut off after two pages":   func(b []byte) []byte { return b[:8192] },
		"cut off in the middle":     func(b []byte) []byte { return b[:len(b)/8] },
		"both first pages broken":   func(b []byte) []byte { b[30], b[4096+30] = b[30]+1, b[4096+30]+1; return b },
	} {
		path := filled(t)
		b, err := os.ReadFile(path)
		if err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(path, damage(b), 0o600); err != nil {
			t.Fatal(err)
		}
		unchanged(t, path, func() {
			_, err := Open(filepath.Dir(path))
			e := new(FileError)
			if !errors.As(err, &e) || e.Path != path || !strings.Contains(err.Error(), "move its directory away") {
				t.Errorf("%s: Open: %v, want a *FileError", name, err)
			}
			if _, err := Inspect(filepath.Dir(path)); !errors.As(err, &e) {
				t.Errorf("%s: Inspect: %v, want a *FileError", name, err)
			}
		})
	}
}

// inUse is how much of the file bbolt uses; most of it is the reserve, which is zeros.
func inUse(t *testing.T, path string) (size int64) {
	t.Helper()
	db, err := bolt.Open(path, 0o600, &bolt.Options{ReadOnly: true})
	if err != nil {
		t.Fatal(err)
	}
	err = db.View(func(tx *bolt.Tx) error {
		size = tx.Size()
		return nil
	})
	if err := errors.Join(err, db.Close()); err != nil {
		t.Fatal(err)
	}
	return size
}

func blank(page []byte) bool { return bytes.Count(page, []byte{0}) == len(page) }

// TestBitRot flips bits at random: an outbox is refused and left as it is, or opened,
// and then yields each measurement as it was or an error in its place.
func TestBitRot(t *testing.T) {
	path := filled(t)
	good, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	good = good[:inUse(t, path)]
	refused, failed := 0, 0
	for range 150 {
		bad := bytes.Clone(good)
		at := rand.IntN(len(bad))
		for blank(bad[at&^4095:][:4096]) {
			at = rand.IntN(len(bad))
		}
		bad[at] ^= 1 << rand.IntN(8)
		if err := os.WriteFile(path, bad, 0o600); err != nil { // the same file, not a copy
			t.Fatal(err)
		}
		o, err := Open(filepath.Dir(path))
		if err != nil {
			if e := new(FileError); !errors.As(err, &e) {
				t.Errorf("byte %d: %v, want a *FileError", at, err)
			}
			refused++
			continue
		}
		n := 0
		for u, err := range o.Pending(0) {
			if err != nil {
				failed++
				continue
			}
			n++
			want := sample(u.Key)
			if u.Customer != want.Customer || u.FeatureID != want.FeatureID || u.Value != want.Value {
				t.Errorf("byte %d: got %+v", at, u)
			}
		}
		if n > 300 || n < 200 && failed == 0 {
			t.Errorf("byte %d: %d measurements of 300", at, n)
		}
		if err := o.Close(); err != nil {
			t.Errorf("byte %d: Close: %v", at, err)
		}
	}
	if refused == 0 || failed == 0 {
		t.Errorf("%d files were refused, %d records failed: the test tests nothing", refused, failed)
	}
}

// change edits the groups of a file.
func change(t *testing.T, path string, edit func(seq uint64, value []byte) []byte) {
	t.Helper()
	db, err := bolt.Open(path, 0o600, &bolt.Options{NoFreelistSync: true})
	if err != nil {
		t.Fatal(err)
	}
	err = db.Update(resealed(func(tx *bolt.Tx) error {
		usage := tx.Bucket(bucketUsage)
		var keys [][]byte
		if err := usage.ForEach(func(k, _ []byte) error { keys = append(keys, bytes.Clone(k)); return nil }); err != nil {
			return err
		}
		for _, k := range keys {
			if err := usage.Put(k, edit(sequence(k), bytes.Clone(usage.Get(k)))); err != nil {
				return err
			}
		}
		return nil
	}))
	if err := errors.Join(err, db.Close()); err != nil {
		t.Fatal(err)
	}
}

func TestWhatCannotBeReadIsSaidAndKeptAndTheRestFollows(t *testing.T) {
	dir := t.TempDir()
	var log journal
	o := open(t, dir)
	keep(t, o, "a0", "a1", "a2")
	keep(t, o, "b0", "b1")
	keep(t, o, "c0", "c1")
	keep(t, o, "d0")
	closeBox(t, o)
	change(t, filepath.Join(dir, fileName), func(seq uint64, value []byte) []byte {
		switch seq {
		case 1:
			value[bytes.Index(value, []byte("a1"))]++
		case 2:
			value[0] = 9 // a format to come
		case 3:
			value = value[:len(value)-1]
		}
		return value
	})
	for range 2 {
		o = open(t, dir, WithLogger(log.logger()))
		keys, errs := keysOf(o)
		if got := strings.Join(keys, " "); got != "a0 a2 c0 d0" {
			t.Errorf("pending: %s", got)
		}
		want := []RecordError{{1, 1, garbled}, {2, -1, "is of format 9, which this Gate does not know"}, {3, 1, garbled}}
		for i, err := range errs {
			if e := new(RecordError); !errors.As(err, &e) || i >= len(want) || *e != want[i] {
				t.Errorf("error %d: %v", i, err)
			}
		}
		if len(errs) != len(want) {
			t.Errorf("%d errors, want %d", len(errs), len(want))
		}
		if r, err := o.Inspect(); err != nil || r.Pending != 4 || len(r.Unreadable) != 3 {
			t.Errorf("%+v, %v", r, err)
		}
		closeBox(t, o)
	}
	log.want(t, "ERROR", "ERROR")
	o = open(t, dir)
	if err := o.Done(named("a0", "a1", "a2", "b0", "b1", "c0", "c1", "d0")...); err != nil {
		t.Fatal(err)
	}
	if keys, errs := keysOf(o); len(keys) != 0 || len(errs) != 3 {
		t.Errorf("what can't be read did not stay: %v, %v", keys, errs)
	}
}

func FuzzDecodeRecord(f *testing.F) {
	u := sample("key")
	for _, dimensions := range []map[string]any{nil, {"a": 1, "b": "x"}} {
		u.Dimensions = dimensions
		b, err := appendRecord(nil, &u)
		if err != nil {
			f.Fatal(err)
		}
		f.Add(b)
	}
	f.Add([]byte{})
	f.Fuzz(func(t *testing.T, b []byte) {
		u, err := decodeRecord(b)
		key, at, ok := peek(b)
		if err != nil {
			return
		}
		if !ok || string(key) != string(appendIdentity(nil, &u)) || !at.Equal(u.CreatedAt) {
			t.Errorf("peek: %q, %v, %v; decoded %+v", key, at, ok, u)
		}
		again, err := appendRecord(nil, &u)
		if err != nil {
			t.Fatal(err)
		}
		v, err := decodeRecord(again)
		if err != nil {
			t.Fatal(err)
		}
		third, err := appendRecord(nil, &v)
		if err != nil || !bytes.Equal(again, third) {
			t.Errorf("%x, %v, want %x", third, err, again)
		}
	})
}

func FuzzParseGroup(f *testing.F) {
	p := pack{heads: []head{{size: 3, sum: checksum([]byte("abc"))}, {size: 2, sum: checksum([]byte("de"))}}, data: []byte("abcde")}
	f.Add(p.value())
	f.Add(refusedValue(sample("k").CreatedAt, "why", []byte("abc")))
	f.Fuzz(func(t *testing.T, b []byte) {
		g, err := parse(1, b)
		if e := new(RecordError); err != nil && !errors.As(err, &e) {
			t.Errorf("%v is not a *RecordError", err)
		}
		total := 0
		for _, record := range g.records {
			total += len(record)
		}
		if total > len(b) {
			t.Errorf("%d bytes of records in %d", total, len(b))
		}
		_, reason, record, err := parseRefused(b)
		if err == nil && len(reason)+len(record) > len(b) {
			t.Errorf("%d bytes in %d", len(reason)+len(record), len(b))
		}
	})
}

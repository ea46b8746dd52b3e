package outbox

import (
	"errors"
	"fmt"
	"math/rand/v2"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"testing"

	bolt "go.etcd.io/bbolt"

	"github.com/stiggate/gate"
)

// holding is what the file holds, as a text.
func holding(s *store) string {
	var text strings.Builder
	last, err := s.last()
	for g, err := range s.stored(1, last) {
		for record, err := range g.records {
			id, _, _ := peek(record.data)
			fmt.Fprint(&text, keyOf(id), " ")
			if err != nil {
				fmt.Fprint(&text, err)
			}
		}
		if err != nil {
			fmt.Fprint(&text, err)
		}
	}
	r, reading := s.report()
	for _, a := range r.SetAside {
		fmt.Fprint(&text, "aside ", a.Key, " ")
	}
	fmt.Fprint(&text, errors.Join(err, reading), r.Unreadable)
	return text.String()
}

// TestACopyOfAFileInUseIsOfOneCommitOrRefused copies a file page by page while it is written to:
// forwards, backwards or in no order, some pages after each commit.
func TestACopyOfAFileInUseIsOfOneCommitOrRefused(t *testing.T) {
	copies := 60
	if *long {
		copies = 2000
	}
	dir := t.TempDir()
	o := open(t, dir)
	o.store.db.NoSync = true
	var mu sync.Mutex
	states := []string{holding(o.store)} // after each commit
	write := o.commit
	o.commit = func(w *work) error {
		err := write(w)
		mu.Lock()
		defer mu.Unlock()
		states = append(states, holding(o.store))
		return err
	}
	file, err := os.Open(filepath.Join(dir, fileName))
	if err != nil {
		t.Fatal(err)
	}
	defer file.Close()
	random := rand.New(rand.NewPCG(1, 2))
	var pending []gate.Usage
	n := 0
	step := func() {
		var batch []gate.Usage
		for range 1 + random.IntN(4) {
			n++
			u := fresh(fmt.Sprint("key-", n))
			if random.IntN(3) == 0 {
				u.Dimensions = map[string]any{"text": strings.Repeat("x", random.IntN(9000))}
			}
			batch = append(batch, u)
		}
		if err := o.Append(t.Context(), batch...); err != nil {
			t.Fatal(err)
		}
		pending = append(pending, batch...)
		for range min(len(pending), random.IntN(7)) {
			i := random.IntN(len(pending))
			end := o.Done
			if random.IntN(5) == 0 {
				end = func(u ...gate.Usage) error { return o.SetAside(u[0], "refused") }
			}
			if err := end(pending[i]); err != nil {
				t.Fatal(err)
			}
			pending = slices.Delete(pending, i, i+1)
		}
		if err := o.sync(); err != nil {
			t.Fatal(err)
		}
	}
	for range 50 {
		step()
	}
	opened, refused := 0, 0
	for i := range copies {
		mu.Lock()
		states = states[len(states)-1:]
		mu.Unlock()
		copied := copyInSteps(t, file, random, step)
		target := t.TempDir()
		if err := os.WriteFile(filepath.Join(target, fileName), copied, 0o600); err != nil {
			t.Fatal(err)
		}
		c, err := Open(target)
		if err != nil {
			if file := new(FileError); !errors.As(err, &file) || !strings.HasPrefix(file.Path, target) {
				t.Fatalf("copy %d: %v, want a *FileError that names it", i, err)
			}
			refused++
			continue
		}
		opened++
		mu.Lock()
		if got := holding(c.store); !slices.Contains(states, got) {
			t.Errorf("copy %d is of none of %d commits:\n%s\nthe first:\n%s\nthe last:\n%s", i, len(states), got, states[0], states[len(states)-1])
		}
		mu.Unlock()
		closeBox(t, c)
		if t.Failed() {
			return
		}
	}
	t.Logf("%d copies opened, %d refused", opened, refused)
	if opened == 0 || refused == 0 {
		t.Error("the test tests nothing")
	}
}

// copyInSteps copies the pages of a file in random steps with meanwhile between them.
func copyInSteps(t *testing.T, file *os.File, random *rand.Rand, meanwhile func()) (copied []byte) {
	t.Helper()
	info, err := file.Stat()
	if err != nil {
		t.Fatal(err)
	}
	page := os.Getpagesize()
	pages := int(info.Size()) / page
	order := random.Perm(pages)
	switch random.IntN(3) {
	case 0:
		slices.Sort(order)
	case 1:
		slices.Sort(order)
		slices.Reverse(order)
	}
	copied = make([]byte, info.Size())
	steps := 1 + random.IntN(4)
	stop := make(map[int]bool)
	for range steps {
		stop[random.IntN(pages)] = true
	}
	for i, p := range order {
		if _, err := file.ReadAt(copied[p*page:][:page], int64(p*page)); err != nil {
			t.Fatal(err)
		}
		if stop[i] {
			meanwhile()
		}
	}
	return copied
}

// TestAFileThatLacksSomethingIsRefused takes something out of a file as if it had never been there.
func TestAFileThatLacksSomethingIsRefused(t *testing.T) {
	for name, lose := range map[string]func(tx *bolt.Tx) error{
		"a group":              func(tx *bolt.Tx) error { return tx.Bucket(bucketUsage).Delete(number(2)) },
		"what is done":         func(tx *bolt.Tx) error { return tx.Bucket(bucketDone).Delete(number(1)) },
		"what is set aside":    func(tx *bolt.Tx) error { return tx.Bucket(bucketAside).Delete(number(1)) },
		"what was not there":   func(tx *bolt.Tx) error { return tx.Bucket(bucketUsage).Put(number(99), []byte("a")) },
		"what was done, later": func(tx *bolt.Tx) error { return tx.Bucket(bucketDone).Put(number(1), bitmap{7}.value()) },
	} {
		t.Run(name, func(t *testing.T) {
			dir := t.TempDir()
			o := open(t, dir)
			keep(t, o, "a0", "a1", "a2")
			keep(t, o, "b0")
			if err := errors.Join(o.Done(named("a1")...), o.SetAside(fresh("a0"), "refused")); err != nil {
				t.Fatal(err)
			}
			closeBox(t, o)
			path := filepath.Join(dir, fileName)
			edit(t, path, resealed(lose))
			unchanged(t, path, func() {
				_, err := Open(dir)
				file := new(FileError)
				if !errors.As(err, &file) || file.Path != path || !strings.Contains(err.Error(), "Outbox.Backup") {
					t.Errorf("Open: %v, want a *FileError that names the way to copy", err)
				}
			})
		})
	}
}

func TestAFileOfTheFormatWithoutASumIsOpenedAndHasOneFromThenOn(t *testing.T) {
	dir := t.TempDir()
	o := open(t, dir)
	keep(t, o, "a")
	keep(t, o, "b")
	closeBox(t, o)
	path := filepath.Join(dir, fileName)
	edit(t, path, func(tx *bolt.Tx) error {
		about := tx.Bucket(bucketAbout)
		return errors.Join(about.Delete(sumKey), about.Delete(homeKey), about.Put(formatKey, []byte{1}))
	})
	o = open(t, dir)
	wantPending(t, o, "a", "b")
	closeBox(t, o)
	o = open(t, dir)
	wantPending(t, o, "a", "b")
	closeBox(t, o)
	edit(t, path, resealed(func(tx *bolt.Tx) error { return tx.Bucket(bucketUsage).Delete(number(1)) }))
	if _, err := Open(dir); !errors.As(err, new(*FileError)) {
		t.Errorf("Open: %v, want a *FileError", err)
	}
}

// resealed is a change after which the sum is said to be of this transaction.
func resealed(do func(*bolt.Tx) error) func(*bolt.Tx) error {
	return func(tx *bolt.Tx) error {
		sealed := tx.Bucket(bucketAbout).Get(sumKey)
		return errors.Join(do(tx), tx.Bucket(bucketAbout).Put(sumKey, append(number(uint64(tx.ID())), sealed[8:]...)))
	}
}

// edit changes a file behind an outbox's back.
func edit(t *testing.T, path string, do func(*bolt.Tx) error) {
	t.Helper()
	db, err := bolt.Open(path, 0o600, &bolt.Options{NoFreelistSync: true})
	if err != nil {
		t.Fatal(err)
	}
	if err := errors.Join(db.Update(do), db.Close()); err != nil {
		t.Fatal(err)
	}
}

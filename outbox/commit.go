package outbox

import (
	"hash/maphash"
	"math/rand/v2"
	"time"

	bolt "go.etcd.io/bbolt"
)

// work is what one commit does, or several.
type work struct {
	packs []pack
	ends  []end // in order: after Done, SetAside of the same usage does nothing
	// replicas is the new value of replicasKey, if there is one.
	replicas []byte
	// id is that of the commit, which is kept in the file: it tells whether a commit that
	// failed was written all the same.
	id uint64
	// triedPacks and triedEnds are how many of the first ones that commit was to write.
	triedPacks, triedEnds int
}

func (w *work) empty() bool { return len(w.packs)+len(w.ends)+len(w.replicas) == 0 }

// end is when usage stops to be pending: done, or refused.
type end struct {
	id      string // its identity
	refusal *refusal
}

type refusal struct {
	reason string
	at     time.Time
}

// transaction is one write. The packs come before the ends, so that usage can be
// appended and done in one; what is Done is not appended again.
type transaction struct {
	*store
	usage, done, aside *bolt.Bucket
	parsed             map[uint64]group    // those that were looked at
	touched            map[uint64]struct{} // groups of which a part is done
}

// write makes w durable. After an error it is not known what of w is in the file: the
// store must be opened anew, and tells then by wrote.
func (s *store) write(w *work) error {
	return guard(func() error {
		return s.update(func(tx *bolt.Tx) error {
			t := transaction{store: s, usage: tx.Bucket(bucketUsage)}
			if len(w.ends) > 0 {
				t.done, t.aside = tx.Bucket(bucketDone), tx.Bucket(bucketAside)
				t.parsed, t.touched = make(map[uint64]group), make(map[uint64]struct{})
			}
			t.usage.FillPercent = 0.95 // keys only grow
			if t.values = t.values[:0]; cap(t.values) > mostSpare*groupBytes {
				t.values = nil
			}
			for i := range w.packs {
				if err := t.put(&w.packs[i]); err != nil {
					return err
				}
			}
			for _, e := range w.ends {
				record, err := t.finish(e.id)
				if err == nil && record != nil && e.refusal != nil {
					err = t.refuse(record, e.refusal)
				}
				if err != nil {
					return err
				}
			}
			if err := t.mark(); err != nil {
				return err
			}
			if len(w.replicas) > 0 {
				if err := tx.Bucket(bucketAbout).Put(replicasKey, w.replicas); err != nil {
					return err
				}
			}
			w.id = s.nextID()
			return tx.Bucket(bucketAbout).Put(commitKey, number(w.id))
		})
	})
}

// nextID is of no other commit, of this process or one before.
func (s *store) nextID() uint64 {
	for s.id == 0 {
		s.id = rand.Uint64()
	}
	s.id++
	return s.id
}

// wrote reports whether w, with which write failed, is in the file all the same.
func (s *store) wrote(w *work) (wrote bool, err error) {
	err = s.view(func(tx *bolt.Tx) error {
		id := tx.Bucket(bucketAbout).Get(commitKey)
		wrote = w.id != 0 && id != nil && sequence(id) == w.id
		return nil
	})
	return wrote, err
}

func (t *transaction) put(p *pack) error {
	seq, err := t.usage.NextSequence()
	if err != nil {
		return err
	}
	before := len(t.values)
	t.values = p.append(t.values)
	if err := t.usage.Put(number(seq), t.values[before:len(t.values):len(t.values)]); err != nil { // which keeps it until the commit
		return err
	}
	t.addGroup(seq, len(p.heads))
	t.sum += term(sumUsage, number(seq))
	for i, h := range p.heads {
		t.addRecord(h.hash, placeOf(seq, i))
	}
	return nil
}

// locate returns where usage with this identity is that is not done.
func (t *transaction) locate(id string) []place {
	candidates := t.find(maphash.String(t.seed, id))
	found := candidates[:0]
	for _, p := range candidates {
		if its, _, _ := peek(t.record(p)); string(its) == id {
			found = append(found, p)
		}
	}
	return found
}

// record returns the record at a place, or nil.
func (t *transaction) record(p place) []byte {
	g, ok := t.parsed[p.group()]
	if !ok {
		g, _ = parse(p.group(), t.usage.Get(number(p.group()))) // what can't be read is in no place
		t.parsed[p.group()] = g
	}
	if p.record() >= len(g.records) {
		return nil
	}
	return g.records[p.record()]
}

// finish marks usage as done and returns its last record, or nil.
func (t *transaction) finish(id string) (record []byte, err error) {
	for _, p := range t.locate(id) {
		record = t.record(p)
		if !t.forget(maphash.String(t.seed, id), p) {
			t.touched[p.group()] = struct{}{}
			continue
		}
		delete(t.touched, p.group())
		key := number(p.group())
		t.sum -= term(sumUsage, key) + doneTerm(key, t.done.Get(key))
		if err := t.usage.Delete(key); err != nil {
			return nil, err
		}
		if err := t.done.Delete(key); err != nil {
			return nil, err
		}
	}
	return record, nil
}

func (t *transaction) refuse(record []byte, r *refusal) error {
	seq, err := t.aside.NextSequence()
	if err != nil {
		return err
	}
	t.store.refuse++
	t.sum += term(sumAside, number(seq))
	return t.aside.Put(number(seq), refusedValue(r.at, r.reason, record))
}

// mark writes which records are done of the groups that stay.
func (t *transaction) mark() error {
	for seq := range t.touched {
		key, value := number(seq), t.store.done[seq].value()
		t.sum += doneTerm(key, value) - doneTerm(key, t.done.Get(key))
		if err := t.done.Put(key, value); err != nil {
			return err
		}
	}
	return nil
}

// load reads the index.
func (s *store) load() error {
	s.index = newIndex(s.seed)
	return s.db.View(func(tx *bolt.Tx) error {
		done := tx.Bucket(bucketDone)
		err := tx.Bucket(bucketUsage).ForEach(func(k, v []byte) error {
			g, err := parse(sequence(k), v)
			if err != nil {
				s.addGroup(g.seq, 1) // it can't be read, so it is never done
				s.unreadable++
				return nil
			}
			s.addGroup(g.seq, len(g.records))
			marks := done.Get(k)
			b := parseBitmap(marks, len(g.records))
			if marks != nil {
				s.done[g.seq] = b
			}
			left := len(g.records)
			for i, record := range g.records {
				if b.has(i) {
					left--
				} else if id, _, ok := peek(record); ok {
					s.addRecord(maphash.Bytes(s.seed, id), placeOf(g.seq, i))
				} else {
					s.unreadable++
				}
			}
			at := s.groups[g.seq]
			at.left = uint16(left)
			s.groups[g.seq] = at
			return nil
		})
		if err != nil {
			return err
		}
		err = tx.Bucket(bucketAside).ForEach(func(_, v []byte) error {
			s.refuse++
			if _, _, _, err := parseRefused(v); err != nil {
				s.unreadable++
			}
			return nil
		})
		if err != nil {
			return err
		}
		s.sum, err = sumOf(tx)
		return err
	})
}

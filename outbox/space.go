package outbox

import bolt "go.etcd.io/bbolt"

const (
	// reserveBytes are kept in the file by a value of zeros that is given up on a full
	// disk: a deletion, too, needs pages that nothing refers to yet, and has to find
	// them in the file when the disk has none. It is enough for a few commits of a
	// single deletion, each of which frees more.
	reserveBytes = 256 << 10
	// fillerBytes are put and deleted to show that a file can grow.
	fillerBytes = 64 << 10
	// minPiece is how many ends one commit may always have while the disk is well.
	minPiece = 8
)

// space is how much room the file has, in bytes, as of the last commit. It belongs to
// the writer.
type space struct {
	bound int64 // MaxBytes, or 0
	high  int64 // the end of the pages that were ever used
	free  int64 // those below that are free for the next commit
	page  int64
}

// slack is what a commit may need for a while beyond what it adds: the pages that it
// replaces, and free ones that are no use since they do not lie side by side. If that
// was too little once, it is more from then on.
func (s *space) slack() int64 { return max(reserveBytes, s.bound/16, s.high-s.bound) }

// taken is what counts against the bound.
func (s *space) taken() int64 { return s.high - s.free + s.slack() }

// room is where the next commit can write to.
func (s *space) room() int64 { return max(s.bound-s.high, 0) + s.free }

// step is by how much bbolt lets the file grow: an eighth, since each step is an fsync,
// but not past the bound, which no step is taken beyond unless a commit needs it.
func (s *space) step(size int64) int {
	step := min(max(size/8, 64<<10), 16<<20)
	if s.bound > 0 {
		step = max(min(step, s.bound-size-fillerBytes), 0)
	}
	return int(step)
}

// piece is how many ends may go into one commit, so that the pages that it replaces find
// room: each end may be in another leaf, of which up to three groups stay.
func (s *store) piece(room int64) int {
	each := (s.high - s.free) / int64(max(len(s.groups), 1))
	return int(room / (3*each + 2*s.page))
}

// measure is called after each commit.
func (s *store) measure() error {
	stats := s.db.Stats()
	s.page = int64(s.db.Info().PageSize)
	s.free = int64(stats.FreePageN+stats.PendingPageN) * s.page
	return s.db.View(func(tx *bolt.Tx) error {
		s.high = tx.Size()
		return nil
	})
}

// renew rewrites both first pages, of which an earlier fsync may have lost one that the
// kernel still shows. It needs no room.
func (s *store) renew() error {
	return guard(func() error {
		first := make([]byte, 2*s.db.Info().PageSize)
		if _, err := s.file.ReadAt(first, 0); err != nil {
			return err
		}
		if _, err := s.file.WriteAt(first, 0); err != nil {
			return err
		}
		return s.file.Sync()
	})
}

// prove shows that the disk takes writes, and has the reserve in the file: it puts and
// deletes a value, which leaves room for the next commits within the file.
func (s *store) prove() error {
	return guard(func() error {
		err := s.update(func(tx *bolt.Tx) error {
			spare, err := tx.CreateBucketIfNotExists(bucketSpare)
			if err != nil {
				return err
			}
			if len(spare.Get(spareKey)) != reserveBytes {
				if err := spare.Put(spareKey, make([]byte, reserveBytes)); err != nil {
					return err
				}
			}
			return tx.Bucket(bucketAbout).Put(fillerKey, make([]byte, fillerBytes))
		})
		if err != nil {
			return err
		}
		err = s.update(func(tx *bolt.Tx) error {
			about := tx.Bucket(bucketAbout)
			if err := about.Delete(fillerKey); err != nil {
				return err
			}
			if s.foreign.Load() { // those that had the original may live
				if err := about.Delete(replicasKey); err != nil {
					return err
				}
			}
			return about.Put(homeKey, s.home())
		})
		if err == nil {
			s.foreign.Store(false)
		}
		return err
	})
}

// release gives the reserve up. It needs two pages, which every commit leaves: those of
// the root and of what it changed.
func (s *store) release() error {
	return guard(func() error {
		return s.update(func(tx *bolt.Tx) error {
			if tx.Bucket(bucketSpare) == nil {
				return nil
			}
			return tx.DeleteBucket(bucketSpare)
		})
	})
}

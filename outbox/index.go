package outbox

import "hash/maphash"

// index knows, in memory, where the usage is that is not done. It holds no names but
// hashes of them, about 20 bytes for each measurement, so that a day's outage does not
// need the memory twice; whoever looks a place up compares the identity in the file.
//
// It belongs to the writer. It describes the file as the transaction under way will
// leave it: after one that failed it is worth nothing and is read anew.
type index struct {
	seed   maphash.Seed
	places map[uint64]place   // by hash of the identity
	twins  map[uint64][]place // further places of the same hash: what was appended twice
	extra  int                // places in twins
	groups map[uint64]kept
	done   map[uint64]bitmap // of the groups of which some are done, not all
	refuse int               // how many are set aside
	// unreadable is how many records, or groups of which not even that is known, can't
	// be read. They stay.
	unreadable int
	sum        sum
}

// place is where a record is: the number of its group and the one within.
type place uint64

func placeOf(group uint64, record int) place { return place(group<<recordBits | uint64(record)) }

func (p place) group() uint64 { return uint64(p) >> recordBits }
func (p place) record() int   { return int(p & (maxRecords - 1)) }

// kept is a group in the file.
type kept struct {
	records, left uint16 // left is not done; what can't be read never is
}

func newIndex(seed maphash.Seed) index {
	return index{
		seed: seed, places: make(map[uint64]place), twins: make(map[uint64][]place),
		groups: make(map[uint64]kept), done: make(map[uint64]bitmap),
	}
}

func (x *index) pending() int { return len(x.places) + x.extra }

func (x *index) addGroup(seq uint64, records int) {
	x.groups[seq] = kept{records: uint16(records), left: uint16(records)}
}

func (x *index) addRecord(hash uint64, p place) {
	if _, taken := x.places[hash]; taken {
		x.twins[hash] = append(x.twins[hash], p)
		x.extra++
		return
	}
	x.places[hash] = p
}

// find returns the places that a usage may be at.
func (x *index) find(hash uint64) []place {
	p, ok := x.places[hash]
	if !ok {
		return nil
	}
	if len(x.twins) == 0 {
		return []place{p}
	}
	return append([]place{p}, x.twins[hash]...)
}

// forget takes a place out and reports whether its group is done as a whole.
func (x *index) forget(hash uint64, p place) (whole bool) {
	x.unlink(hash, p)
	seq := p.group()
	g := x.groups[seq]
	if g.left--; g.left == 0 {
		delete(x.groups, seq)
		delete(x.done, seq)
		return true
	}
	x.groups[seq] = g
	b := x.done[seq]
	if b == nil {
		b = newBitmap(int(g.records))
		x.done[seq] = b
	}
	b.set(p.record())
	return false
}

func (x *index) unlink(hash uint64, p place) {
	twins := x.twins[hash]
	if x.places[hash] == p {
		if len(twins) == 0 {
			delete(x.places, hash)
			return
		}
		x.places[hash], twins = twins[0], twins[1:]
	} else {
		for i := range twins {
			if twins[i] == p {
				twins = append(twins[:i], twins[i+1:]...)
				break
			}
		}
	}
	x.extra--
	if x.twins[hash] = twins; len(twins) == 0 {
		delete(x.twins, hash)
	}
}

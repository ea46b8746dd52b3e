package outbox

import (
	"cmp"
	"hash/maphash"
	"slices"
)

// writeAll writes w in as few commits as there is room for: usage with the first ends,
// then the other ends. What it has written is no longer in w.
func (o *Outbox) writeAll(w *work) error {
	for {
		n := min(len(w.ends), max(o.store.piece(o.store.room()), minPiece))
		if err := o.writePart(w, len(w.packs), n); err != nil || w.empty() {
			return err
		}
	}
}

// writePart writes the first packs and ends of w, and takes them out of it.
func (o *Outbox) writePart(w *work, packs, ends int) error {
	part := &work{packs: w.packs[:packs], ends: w.ends[:ends], replicas: w.replicas}
	err := o.commit(part)
	w.id, w.triedPacks, w.triedEnds = part.id, packs, ends
	if err == nil {
		w.dropTried()
	}
	return err
}

// dropTried takes out of w what the latest commit of it was to write.
func (w *work) dropTried() {
	w.packs, w.ends = w.packs[w.triedPacks:], w.ends[w.triedEnds:]
	w.id, w.triedPacks, w.triedEnds, w.replicas = 0, 0, 0, nil
}

// relieve writes what is done before all else, since that is what makes room on a full
// disk, and then shows that the disk takes more. Each commit has no more ends than
// probably find room: first those of one group, then twice as many. Groups are taken in
// the order of the file, so that a leaf gets smaller with each and leaves its room in one
// piece. If not even the first of them finds room, the next attempt takes all at once,
// which may empty whole leaves and copy nothing.
func (o *Outbox) relieve(w *work) error {
	n := w.sort()
	if n > 0 {
		if err := o.store.release(); err != nil {
			return err
		}
	}
	groups := o.store.byGroup(w.ends[:n])
	for most := 1; len(groups) > 0; most = min(2*most, maxLazy) {
		k := min(len(groups), most, max(o.store.piece(o.store.free), 1))
		if o.atOnce {
			k = len(groups)
		}
		for k < len(groups) && groups[k] == groups[k-1] {
			k++
		}
		if err := o.writePart(w, 0, k); err != nil {
			o.atOnce = most == 1 && !o.atOnce
			return err
		}
		groups, o.atOnce = groups[k:], false
	}
	return o.store.prove()
}

// byGroup sorts ends by the groups that they are in, which it returns. Of a hash that two
// usages share it takes any, since the order is all that matters.
func (s *store) byGroup(ends []end) []uint64 {
	type placed struct {
		end
		group uint64
	}
	all := make([]placed, len(ends))
	for i, e := range ends {
		all[i].end = e
		if places := s.find(maphash.String(s.seed, e.id)); len(places) > 0 {
			all[i].group = places[0].group()
		}
	}
	slices.SortStableFunc(all, func(a, b placed) int { return cmp.Compare(a.group, b.group) })
	groups := make([]uint64, len(all))
	for i, p := range all {
		ends[i], groups[i] = p.end, p.group
	}
	return groups
}

// sort moves what is done to the front of the ends and returns how many those are. Usage
// that is done and was not written yet is never written. What was refused before it was
// done stays refused.
func (w *work) sort() int {
	refused, done := make(map[string]bool), make(map[string]bool)
	var first, rest []end
	for _, e := range w.ends {
		switch {
		case e.refusal != nil:
			refused[e.id] = true
			rest = append(rest, e)
		case refused[e.id]:
			rest = append(rest, e)
		default:
			done[e.id] = true
			first = append(first, e)
		}
	}
	w.ends = slices.Concat(first, rest)
	if len(done) == 0 {
		return 0
	}
	var left work
	for i := range w.packs {
		for j, record := range w.packs[i].each {
			if id, _, _ := peek(record); !done[string(id)] {
				left.add(w.packs[i].heads[j], record)
			}
		}
	}
	w.packs = left.packs
	return len(first)
}

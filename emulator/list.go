package emulator

import (
	"cmp"
	"encoding/base64"
	"slices"
	"strconv"
	"strings"
	"time"
)

// listing is a list of the API: what can be filtered and sorted by, and how one thing
// of it is shown.
type listing[T any] struct {
	name string
	all  []T
	show func(T) obj
	id   func(T) string
	// fields by their names in filters and sortings. A value is a string, a float64, a
	// bool, a time.Time or nil.
	fields map[string]func(T) any
	// inner are filters of what a thing has: they are given the filter.
	inner map[string]func(T, input) (bool, error)
}

// answer gives the page that the arguments filter, paging and sorting ask for.
func (l listing[T]) answer(args input) (any, error) {
	var kept []T
	filter := args.object("filter")
	for _, t := range l.all {
		fits, err := l.fits(t, filter)
		if err != nil {
			return nil, err
		}
		if fits {
			kept = append(kept, t)
		}
	}
	if len(l.all) == 0 {
		filter.readAll()
	}
	if err := l.sort(kept, args.objects("sorting")); err != nil {
		return nil, err
	}
	return page(l.name, kept, l.id, l.show, args.object("paging"))
}

// fits says whether all of a filter holds of a thing.
func (l listing[T]) fits(t T, filter input) (bool, error) {
	if filter.empty() {
		return true, nil
	}
	fits := true
	for _, name := range sortedKeys(filter.values) {
		holds, err := l.clause(t, name, filter)
		if err != nil {
			return false, err
		}
		fits = fits && holds
	}
	return fits, nil
}

func (l listing[T]) clause(t T, name string, filter input) (bool, error) {
	switch name {
	case "and":
		for _, f := range filter.objects(name) {
			if holds, err := l.fits(t, f); err != nil || !holds {
				return false, err
			}
		}
		return true, nil
	case "or":
		any := len(filter.objects(name)) == 0
		for _, f := range filter.objects(name) {
			holds, err := l.fits(t, f)
			if err != nil {
				return false, err
			}
			any = any || holds
		}
		return any, nil
	}
	if filter.get(name) == nil {
		return true, nil
	}
	if inner := l.inner[name]; inner != nil {
		return inner(t, filter.object(name))
	}
	field := l.fields[name]
	if field == nil {
		return false, refuse(CodeUnsupported, "the emulator does not model the filter %s of %s", name, l.name)
	}
	return compare(field(t), filter.object(name)), nil
}

// compare says whether all comparisons of a field hold of its value.
func compare(value any, c input) bool {
	for _, op := range sortedKeys(c.values) {
		if want := c.get(op); want != nil && !holds(value, op, want) {
			return false
		}
	}
	return true
}

func holds(value any, op string, want any) bool {
	switch op {
	case "eq":
		return value != nil && ordering(value, want) == 0
	case "neq":
		return value == nil || ordering(value, want) != 0
	case "is", "isNot":
		truth, isBool := value.(bool)
		if !isBool {
			// A field that is no truth value is compared with null.
			return (value == nil) == (op == "is")
		}
		return (truth == want) == (op == "is")
	case "in", "notIn":
		list, _ := want.([]any)
		found := slices.ContainsFunc(list, func(w any) bool { return value != nil && ordering(value, w) == 0 })
		return found == (op == "in")
	case "between", "notBetween":
		r, _ := want.(input)
		lower, upper := r.get("lower"), r.get("upper")
		inside := value != nil && ordering(value, lower) >= 0 && ordering(value, upper) <= 0
		return inside == (op == "between")
	case "like", "notLike", "iLike", "notILike":
		s, _ := value.(string)
		pattern, _ := want.(string)
		if op == "iLike" || op == "notILike" {
			s, pattern = strings.ToLower(s), strings.ToLower(pattern)
		}
		return value != nil && like(s, pattern) == !strings.HasPrefix(op, "not")
	}
	if value == nil {
		return false
	}
	n := ordering(value, want)
	return op == "gt" && n > 0 || op == "gte" && n >= 0 || op == "lt" && n < 0 || op == "lte" && n <= 0
}

// like matches a pattern of SQL: % is anything, _ one character. In time that grows
// with the product of the lengths.
func like(s, pattern string) bool {
	text := []rune(s)
	matches := make([]bool, len(text)+1)
	matches[0] = true
	for _, c := range pattern {
		next := make([]bool, len(text)+1)
		if c == '%' {
			next[0] = matches[0]
		}
		for i := range text {
			switch c {
			case '%':
				next[i+1] = matches[i+1] || next[i]
			case '_', text[i]:
				next[i+1] = matches[i]
			}
		}
		matches = next
	}
	return matches[len(text)]
}

// ordering compares two values of one kind; nothing comes before everything else.
func ordering(a, b any) int {
	switch x := a.(type) {
	case string:
		y, _ := b.(string)
		return cmp.Compare(x, y)
	case time.Time:
		y, _ := b.(time.Time)
		return x.Compare(y)
	case bool:
		y, _ := b.(bool)
		if x == y {
			return 0
		} else if x {
			return 1
		}
		return -1
	}
	x, _ := number(a)
	y, _ := number(b)
	return cmp.Compare(x, y)
}

// sort orders by the fields that are asked for; what is equal in all of them stays in
// the order of the list, so that pages don't overlap.
func (l listing[T]) sort(things []T, sorting []input) error {
	type key struct {
		field      func(T) any
		descending bool
		nullsFirst bool
	}
	var keys []key
	for _, s := range sorting {
		field := l.fields[s.str("field")]
		if field == nil {
			return refuse(CodeUnsupported, "the emulator can't sort %s by %s", l.name, s.str("field"))
		}
		k := key{field: field, descending: s.str("direction") == "DESC"}
		k.nullsFirst = s.str("nulls") == "NULLS_FIRST" || s.str("nulls") == "" && k.descending
		keys = append(keys, k)
	}
	slices.SortStableFunc(things, func(a, b T) int {
		for _, k := range keys {
			x, y := k.field(a), k.field(b)
			n := 0
			switch {
			case x == nil && y == nil:
			case x == nil || y == nil:
				if n = 1; (x == nil) == k.nullsFirst {
					n = -1
				}
			case k.descending:
				n = ordering(y, x)
			default:
				n = ordering(x, y)
			}
			if n != 0 {
				return n
			}
		}
		return 0
	})
	return nil
}

// cursorOf gives the cursor of a thing in a list: it names the list, so that a cursor of
// another one is an error and no wrong page, the thing, so that what is added meanwhile
// moves no page, and its place from 1, should the thing have left the list.
func cursorOf(list string, place int, id string) string {
	return base64.RawURLEncoding.EncodeToString([]byte(list + ":" + strconv.Itoa(place) + ":" + id))
}

// placeOf gives the place of a cursor's thing in the list as it is now.
func placeOf[T any](list string, all []T, id func(T) string, cursor string) (int, bool) {
	raw, err := base64.RawURLEncoding.DecodeString(cursor)
	if err != nil {
		return 0, false
	}
	parts := strings.SplitN(string(raw), ":", 3)
	if len(parts) != 3 || parts[0] != list {
		return 0, false
	}
	place, err := strconv.Atoi(parts[1])
	if err != nil || place < 1 {
		return 0, false
	}
	if i := slices.IndexFunc(all, func(t T) bool { return id(t) == parts[2] }); i >= 0 {
		return i + 1, true
	}
	return min(place, len(all)), true
}

// maxPage bounds a page.
const maxPage = 1000

// page shows a part of a list.
func page[T any](list string, all []T, id func(T) string, show func(T) obj, paging input) (obj, error) {
	from, to := 0, len(all)
	for _, name := range []string{"after", "before"} {
		cursor := paging.str(name)
		if cursor == "" {
			continue
		}
		n, ok := placeOf(list, all, id, cursor)
		switch {
		case !ok:
			return nil, refuse(CodeBadUserInput, "paging.%s is no cursor of the list %s", name, list)
		case name == "after":
			from = min(n, len(all))
		default:
			to = max(from, min(n-1, len(all)))
		}
	}
	for _, name := range []string{"first", "last"} {
		n, given := paging.whole(name)
		switch {
		case !given:
			continue
		case n < 0 || n > maxPage:
			return nil, refuse(CodeBadUserInput, "paging.%s: %d is not between 0 and %d", name, n, maxPage)
		case name == "first":
			to = min(to, from+n)
		default:
			from = max(from, to-n)
		}
	}
	info := obj{"hasPreviousPage": from > 0, "hasNextPage": to < len(all)}
	edges := []obj{}
	for i := from; i < to; i++ {
		cursor := cursorOf(list, i+1, id(all[i]))
		edges = append(edges, obj{"cursor": cursor, "node": show(all[i])})
		info["endCursor"] = cursor
		if i == from {
			info["startCursor"] = cursor
		}
	}
	return obj{"edges": edges, "pageInfo": info, "totalCount": len(all)}, nil
}

// sortBy sorts by a key.
func sortBy[T any, K cmp.Ordered](things []T, key func(T) K) {
	slices.SortStableFunc(things, func(a, b T) int { return cmp.Compare(key(a), key(b)) })
}

package rules

import (
	"encoding/binary"
	"slices"
)

// ValueList is the allowed values of an Enum, in their order. It can be compared by ==.
type ValueList string // each with its length in front

// ValueListOf is the values of a list.
func ValueListOf(list []string) ValueList {
	var all []byte
	for _, value := range list {
		all = append(binary.AppendUvarint(all, uint64(len(value))), value...)
	}
	return ValueList(all)
}

// next is the first of them, and the rest.
func (v ValueList) next() (first string, rest ValueList) {
	size, shift := 0, 0
	for i := 0; ; i++ {
		size |= int(v[i]&0x7f) << shift
		if shift += 7; v[i] < 0x80 {
			v = v[i+1:]
			return string(v[:size]), v[size:]
		}
	}
}

// Has reports whether a value is among them.
func (v ValueList) Has(value string) bool {
	for v != "" {
		var first string
		if first, v = v.next(); first == value {
			return true
		}
	}
	return false
}

// List is the values.
func (v ValueList) List() (all []string) {
	for v != "" {
		var first string
		first, v = v.next()
		all = append(all, first)
	}
	return slices.Clip(all)
}

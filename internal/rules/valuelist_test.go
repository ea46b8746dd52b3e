package rules

import (
	"slices"
	"testing"

	"pgregory.net/rapid"
)

// TestValuesAreThoseOfTheirList whatever is in them, and equal lists are equal.
func TestValuesAreThoseOfTheirList(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		texts := rapid.SliceOfN(rapid.OneOf(rapid.String(), rapid.SampledFrom([]string{"", "a", "ab", "\x01a", "\x00"}), rapid.StringN(100, 300, -1)), 0, 5)
		list, other, asked := texts.Draw(t, "list"), texts.Draw(t, "other"), rapid.String().Draw(t, "asked")
		v := ValueListOf(list)
		if got := v.List(); !slices.Equal(got, list) {
			t.Fatalf("got %q, want %q", got, list)
		}
		if (v == ValueListOf(other)) != slices.Equal(list, other) {
			t.Fatalf("%q and %q", list, other)
		}
		for _, value := range append(slices.Clone(list), append(other, asked)...) {
			if v.Has(value) != slices.Contains(list, value) {
				t.Fatalf("%q of %q", value, list)
			}
		}
	})
}

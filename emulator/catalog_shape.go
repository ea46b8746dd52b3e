package emulator

import (
	"encoding/json"
	"fmt"
	"maps"
	"math"
	"reflect"
	"slices"
	"strings"
	"time"
)

// checkShape says at which path a catalog has a field that is none, or a value of another
// kind than belongs there: encoding/json names neither the place in a list nor the object
// that an unknown field stands in. null is allowed anywhere.
func checkShape(value any, t reflect.Type, path string) error {
	for t.Kind() == reflect.Pointer {
		t = t.Elem()
	}
	switch {
	case value == nil, t == reflect.TypeFor[json.RawMessage](), t.Kind() == reflect.Interface:
		return nil
	case t == reflect.TypeFor[time.Time]():
		return checkTime(value, path)
	}
	switch t.Kind() {
	case reflect.Struct:
		return checkFields(value, t, path)
	case reflect.Slice:
		list, ok := value.([]any)
		if !ok {
			return misplaced(path, value, "a list")
		}
		for i, v := range list {
			if err := checkShape(v, t.Elem(), fmt.Sprintf("%s[%d]", path, i)); err != nil {
				return err
			}
		}
		return nil
	}
	return checkLeaf(value, t, path)
}

func checkLeaf(value any, t reflect.Type, path string) error {
	n, isNumber := value.(float64)
	switch t.Kind() {
	case reflect.String:
		if _, ok := value.(string); !ok {
			return misplaced(path, value, "a string")
		}
	case reflect.Bool:
		if _, ok := value.(bool); !ok {
			return misplaced(path, value, "true or false")
		}
	case reflect.Map:
		if _, ok := value.(map[string]any); !ok {
			return misplaced(path, value, "an object")
		}
	case reflect.Int:
		if !isNumber || n != math.Trunc(n) || math.Abs(n) > math.MaxInt32 {
			return misplaced(path, value, "a whole number")
		}
	default:
		if !isNumber {
			return misplaced(path, value, "a number")
		}
	}
	return nil
}

func checkTime(value any, path string) error {
	s, ok := value.(string)
	if !ok {
		return misplaced(path, value, "a time")
	}
	if _, err := time.Parse(time.RFC3339, s); err != nil {
		return fmt.Errorf("%s: %q is no time such as 2024-01-15T10:00:00Z", path, s)
	}
	return nil
}

func checkFields(value any, t reflect.Type, path string) error {
	object, ok := value.(map[string]any)
	if !ok {
		return misplaced(path, value, "an object")
	}
	known := jsonFields(t)
	for _, name := range sortedKeys(object) {
		at := strings.TrimPrefix(path+"."+name, ".")
		field, found := known[name]
		if !found {
			return fmt.Errorf("%s: unknown field %q; known are %s", at, name, strings.Join(sortedKeys(known), ", "))
		}
		if err := checkShape(object[name], field, at); err != nil {
			return err
		}
	}
	return nil
}

// jsonFields gives the fields of a struct by their names in JSON.
func jsonFields(t reflect.Type) map[string]reflect.Type {
	out := map[string]reflect.Type{}
	for i := range t.NumField() {
		f := t.Field(i)
		name, _, _ := strings.Cut(f.Tag.Get("json"), ",")
		switch {
		case f.Anonymous:
			maps.Copy(out, jsonFields(f.Type))
		case name != "":
			out[name] = f.Type
		}
	}
	return out
}

func misplaced(path string, value any, want string) error {
	kinds := []string{"a string", "a number", "true or false", "an object", "a list"}
	i := slices.IndexFunc([]func() bool{
		func() bool { _, ok := value.(string); return ok },
		func() bool { _, ok := value.(float64); return ok },
		func() bool { _, ok := value.(bool); return ok },
		func() bool { _, ok := value.(map[string]any); return ok },
		func() bool { return true },
	}, func(is func() bool) bool { return is() })
	if path == "" {
		path = "the whole"
	}
	if kinds[i] == "a number" && want == "a whole number" {
		return fmt.Errorf("%s: %v stands where %s belongs", path, value, want)
	}
	return fmt.Errorf("%s: %s stands where %s belongs", path, kinds[i], want)
}

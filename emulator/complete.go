package emulator

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"reflect"
	"slices"
	"strings"
	"time"

	"github.com/vektah/gqlparser/v2/ast"
)

// obj is a value of an object type: its fields by name. A field that is missing
// is answered with null, or with a neutral value where null is not allowed. The
// key __typename is needed where the type is a union.
type obj map[string]any

// lazy is a field that is computed only when it is asked for; objects may refer
// to each other in circles by it.
type lazy func() any

// collected is one field of an answer, with all its selections.
type collected struct {
	*ast.Field
	selections []ast.SelectionSet
	args       input
}

// collect lists the fields that selections ask of an object type.
func (x *execution) collect(def *ast.Definition, sets []ast.SelectionSet) []*collected {
	var fields []*collected
	byKey, visited := map[string]*collected{}, map[string]bool{}
	var walk func(set ast.SelectionSet)
	walk = func(set ast.SelectionSet) {
		for _, sel := range set {
			switch sel := sel.(type) {
			case *ast.Field:
				if !x.included(sel.Directives) {
					continue
				}
				f := byKey[sel.Alias]
				if f == nil {
					f = &collected{Field: sel}
					byKey[sel.Alias] = f
					fields = append(fields, f)
				}
				f.selections = append(f.selections, sel.SelectionSet)
			case *ast.InlineFragment:
				if x.included(sel.Directives) && x.applies(sel.TypeCondition, def) {
					walk(sel.SelectionSet)
				}
			case *ast.FragmentSpread:
				if visited[sel.Name] || !x.included(sel.Directives) {
					continue
				}
				visited[sel.Name] = true
				fragment := x.doc.Fragments.ForName(sel.Name)
				if x.applies(fragment.TypeCondition, def) {
					walk(fragment.SelectionSet)
				}
			}
		}
	}
	for _, set := range sets {
		walk(set)
	}
	return fields
}

// applies says whether a fragment with this type condition is about the type.
func (x *execution) applies(condition string, def *ast.Definition) bool {
	if condition == "" || condition == def.Name {
		return true
	}
	of := x.e.schema.Types[condition]
	return of != nil && slices.Contains(x.e.schema.GetPossibleTypes(of), def)
}

func (x *execution) included(directives ast.DirectiveList) bool {
	for _, d := range directives {
		if d.Name != "skip" && d.Name != "include" {
			continue
		}
		if on, _ := d.ArgumentMap(x.vars)["if"].(bool); on == (d.Name == "skip") {
			return false
		}
	}
	return true
}

// complete writes a value as the type wants it.
func (x *execution) complete(w *writer, t *ast.Type, f *collected, value any) error {
	if x.fields++; x.fields > maxFields {
		return errors.New("the operation asks for too many fields")
	}
	if l, ok := value.(lazy); ok {
		value = l()
	}
	if isNil(value) {
		if !t.NonNull {
			w.raw("null")
			return nil
		}
		value = x.neutral(t, f)
	}
	if t.Elem != nil {
		return x.completeList(w, t, f, value)
	}
	def := x.e.schema.Types[t.NamedType]
	switch def.Kind {
	case ast.Object, ast.Union:
		return x.completeObject(w, def, f, value)
	}
	return w.leaf(value)
}

func (x *execution) completeList(w *writer, t *ast.Type, f *collected, value any) error {
	list := reflect.ValueOf(value)
	w.open('[')
	for i := range list.Len() {
		w.next()
		if err := x.complete(w, t.Elem, f, list.Index(i).Interface()); err != nil {
			return err
		}
	}
	w.close(']')
	return nil
}

func (x *execution) completeObject(w *writer, def *ast.Definition, f *collected, value any) error {
	values, plain := value.(obj)
	if def.Kind == ast.Union {
		name, _ := values["__typename"].(string)
		if def = x.e.schema.Types[name]; def == nil {
			return fmt.Errorf("a union without a type in field %s", f.Name)
		}
	}
	w.open('{')
	for _, inner := range x.collect(def, f.selections) {
		w.key(inner.Alias)
		if inner.Name == "__typename" {
			w.raw(`"` + def.Name + `"`)
			continue
		}
		v := values[inner.Name]
		if !plain {
			v = introspect(value, inner, x.vars)
		}
		if err := x.complete(w, inner.Definition.Type, inner, v); err != nil {
			return err
		}
	}
	w.close('}')
	return nil
}

// neutral gives a value for a field that may not be null and is not modelled.
func (x *execution) neutral(t *ast.Type, f *collected) any {
	if t.Elem != nil {
		return []any{}
	}
	def := x.e.schema.Types[t.NamedType]
	switch def.Kind {
	case ast.Enum:
		return def.EnumValues[0].Name
	case ast.Union:
		return obj{"__typename": def.Types[0]}
	case ast.Object:
		return obj{}
	}
	switch def.Name {
	case "Int", "Float":
		return 0
	case "Boolean":
		return false
	case "UUID":
		return uuidOf("field", f.ObjectDefinition.Name+"."+f.Name)
	case "DateTime":
		return x.now
	}
	return ""
}

// introspect reads a field of one of gqlgen's introspection values, which offer
// some fields as struct fields and some as methods.
func introspect(value any, f *collected, vars map[string]any) any {
	v := reflect.ValueOf(value)
	if v.Kind() != reflect.Pointer {
		p := reflect.New(v.Type())
		p.Elem().Set(v)
		v = p
	}
	name := strings.ToUpper(f.Name[:1]) + f.Name[1:]
	if m := v.MethodByName(name); m.IsValid() {
		var args []reflect.Value
		if m.Type().NumIn() == 1 {
			deprecated, _ := f.ArgumentMap(vars)["includeDeprecated"].(bool)
			args = append(args, reflect.ValueOf(deprecated))
		}
		return m.Call(args)[0].Interface()
	}
	if field := v.Elem().FieldByName(name); field.IsValid() {
		return field.Interface()
	}
	return nil
}

func isNil(value any) bool {
	if value == nil {
		return true
	}
	v := reflect.ValueOf(value)
	switch v.Kind() {
	case reflect.Pointer, reflect.Map, reflect.Slice:
		return v.IsNil()
	case reflect.Struct:
		t, isTime := value.(time.Time)
		return isTime && t.IsZero()
	}
	return false
}

// writer writes JSON with the fields in the order in which they were asked for.
type writer struct {
	buf   bytes.Buffer
	comma bool
}

func newWriter() *writer { return &writer{} }

func (w *writer) open(b byte)  { w.buf.WriteByte(b); w.comma = false }
func (w *writer) close(b byte) { w.buf.WriteByte(b); w.comma = true }

func (w *writer) next() {
	if w.comma {
		w.buf.WriteByte(',')
	}
	w.comma = false
}

func (w *writer) key(name string) {
	w.next()
	w.buf.WriteString(`"` + name + `":`)
}

func (w *writer) raw(s string) { w.buf.WriteString(s); w.comma = true }

func (w *writer) leaf(value any) error {
	if t, ok := value.(time.Time); ok {
		value = isoTime(t)
	}
	b, err := json.Marshal(value)
	if err != nil {
		return err
	}
	w.buf.Write(b)
	w.comma = true
	return nil
}

// isoTime writes a time as Stigg does: ISO 8601 with milliseconds, in UTC.
func isoTime(t time.Time) string { return t.UTC().Format("2006-01-02T15:04:05.000Z") }

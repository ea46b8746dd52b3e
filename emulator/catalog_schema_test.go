package emulator

import (
	"bytes"
	"encoding/json"
	"net/http/httptest"
	"reflect"
	"slices"
	"strings"
	"testing"
	"time"
)

// fieldsOf gives the JSON fields of a struct, with their types.
func fieldsOf(t reflect.Type) map[string]reflect.Type {
	out := map[string]reflect.Type{}
	for i := range t.NumField() {
		f := t.Field(i)
		name := strings.Split(f.Tag.Get("json"), ",")[0]
		switch {
		case f.Anonymous:
			for name, typ := range fieldsOf(f.Type) {
				out[name] = typ
			}
		case name != "" && name != "-":
			out[name] = f.Type
		}
	}
	return out
}

func TestTheCatalogsSchemaKnowsWhatTheReaderDoes(t *testing.T) {
	var schema map[string]any
	must(t, json.Unmarshal(CatalogSchema(), &schema))
	var compare func(at string, typ reflect.Type, def map[string]any)
	resolve := func(v any) map[string]any {
		for {
			m, _ := v.(map[string]any)
			if any, ok := m["anyOf"].([]any); ok {
				v = any[0]
				continue
			}
			ref, ok := m["$ref"].(string)
			if !ok {
				return m
			}
			v = schema["$defs"].(map[string]any)[strings.TrimPrefix(ref, "#/$defs/")]
		}
	}
	seen := map[reflect.Type]bool{}
	compare = func(at string, typ reflect.Type, def map[string]any) {
		for typ.Kind() == reflect.Pointer || typ.Kind() == reflect.Slice {
			if typ.Kind() == reflect.Slice {
				def = resolve(def["items"])
			}
			typ = typ.Elem()
		}
		if typ.Kind() != reflect.Struct || typ == reflect.TypeFor[time.Time]() || seen[typ] {
			return
		}
		seen[typ] = true
		known, _ := def["properties"].(map[string]any)
		fields := fieldsOf(typ)
		for name, inner := range fields {
			if known[name] == nil {
				t.Errorf("%s.%s is read and not in the schema", at, name)
				continue
			}
			compare(at+"."+name, inner, resolve(known[name]))
		}
		for name := range known {
			if fields[name] == nil {
				t.Errorf("%s.%s is in the schema and not read", at, name)
			}
		}
	}
	compare("catalog", reflect.TypeFor[catalog](), schema)
	if !slices.ContainsFunc([]reflect.Type{reflect.TypeFor[seedUsage]()}, func(t reflect.Type) bool { return seen[t] }) {
		t.Error("the comparison did not come far")
	}
}

func TestTheCatalogThatIsShownCanBeServed(t *testing.T) {
	for name, opt := range map[string]Option{"Revvenu": sameAsEver, "credits": WithCreditsDemo()} {
		e := newTest(t, opt)
		must(t, e.Publish(e.catalog.Plans[1].ID, "ALL_CUSTOMERS"))
		w := httptest.NewRecorder()
		e.ServeHTTP(w, httptest.NewRequest("GET", "http://127.0.0.1/_emulator/catalog", nil))
		again, err := New(WithCatalog(bytes.NewReader(w.Body.Bytes())))
		if err != nil {
			t.Fatalf("%s: %v", name, err)
		}
		if got := again.catalog.Plans[1].Version; got != 2 {
			t.Errorf("%s: version %d", name, got)
		}
	}
}

package emulator

import (
	"fmt"
	"math"
	"regexp"
	"strconv"
	"time"

	"github.com/vektah/gqlparser/v2/ast"
)

// variables coerces the variables of an operation.
func (e *Emulator) variables(op *ast.OperationDefinition, given map[string]any) (map[string]any, error) {
	out := map[string]any{}
	for _, v := range op.VariableDefinitions {
		value, ok := given[v.Variable]
		if !ok && v.DefaultValue != nil {
			def, err := v.DefaultValue.Value(nil)
			if err != nil {
				return nil, fmt.Errorf("default of variable \"$%s\": %w", v.Variable, err)
			}
			value, ok = def, true
		}
		if !ok {
			if v.Type.NonNull {
				return nil, fmt.Errorf("variable \"$%s\" of required type %q was not provided", v.Variable, v.Type.String())
			}
			continue
		}
		coerced, err := e.coerce(v.Type, value, v.Variable)
		if err != nil {
			return nil, fmt.Errorf("variable \"$%s\" got an invalid value: %w", v.Variable, err)
		}
		out[v.Variable] = coerced
	}
	return out, nil
}

// argue coerces the arguments of a root field.
func (x *execution) argue(f *collected) (err error) {
	if f.Definition == nil {
		return nil
	}
	// The parser panics on a number that no number type holds.
	defer func() {
		if p := recover(); p != nil {
			err = fmt.Errorf("field %q: %v", f.Name, p)
		}
	}()
	raw := f.ArgumentMap(x.vars)
	f.args = newInput("")
	for _, def := range f.Definition.Arguments {
		value, ok := raw[def.Name]
		if !ok && !def.Type.NonNull {
			continue
		}
		coerced, err := x.e.coerce(def.Type, value, def.Name)
		if err != nil {
			return fmt.Errorf("argument %q of field %q: %w", def.Name, f.Name, err)
		}
		f.args.values[def.Name] = coerced
	}
	return nil
}

// coerce makes a value what its type wants, or says at which path it can't be.
// A value that was coerced before stays as it is.
func (e *Emulator) coerce(t *ast.Type, value any, path string) (any, error) {
	if value == nil {
		if t.NonNull {
			return nil, fmt.Errorf("%s must not be null", path)
		}
		return nil, nil
	}
	if t.Elem != nil {
		return e.coerceList(t, value, path)
	}
	def := e.schema.Types[t.NamedType]
	switch def.Kind {
	case ast.InputObject:
		return e.coerceObject(def, value, path)
	case ast.Enum:
		name, ok := value.(string)
		if !ok || def.EnumValues.ForName(name) == nil {
			return nil, fmt.Errorf("%s: %s is no value of the enum %s", path, shown(value), def.Name)
		}
		return name, nil
	}
	out, err := coerceScalar(def.Name, value)
	if err != nil {
		return nil, fmt.Errorf("%s: %w", path, err)
	}
	return out, nil
}

func (e *Emulator) coerceList(t *ast.Type, value any, path string) (any, error) {
	list, ok := value.([]any)
	if !ok {
		list = []any{value}
	}
	out := make([]any, len(list))
	for i, v := range list {
		coerced, err := e.coerce(t.Elem, v, path+"["+strconv.Itoa(i)+"]")
		if err != nil {
			return nil, err
		}
		out[i] = coerced
	}
	return out, nil
}

func (e *Emulator) coerceObject(def *ast.Definition, value any, path string) (any, error) {
	fields, ok := value.(map[string]any)
	if done, is := value.(input); is {
		fields, ok = done.values, true
	}
	if !ok {
		return nil, fmt.Errorf("%s: an object of type %s is needed, not %s", path, def.Name, shown(value))
	}
	for name := range fields {
		if def.Fields.ForName(name) == nil {
			return nil, fmt.Errorf("%s: field %q is not defined by type %q", path, name, def.Name)
		}
	}
	out := newInput(def.Name)
	for _, f := range def.Fields {
		v, given := fields[f.Name]
		if !given && f.DefaultValue != nil {
			v, _ = f.DefaultValue.Value(nil)
			given = true
		}
		if !given && !f.Type.NonNull {
			continue
		}
		if !given {
			return nil, fmt.Errorf("%s: field %q of required type %q was not provided", path, f.Name, f.Type.String())
		}
		coerced, err := e.coerce(f.Type, v, path+"."+f.Name)
		if err != nil {
			return nil, err
		}
		out.values[f.Name] = coerced
	}
	return out, nil
}

var uuidPattern = regexp.MustCompile(`^[0-9a-fA-F]{8}-([0-9a-fA-F]{4}-){3}[0-9a-fA-F]{12}$`)

func coerceScalar(name string, value any) (any, error) {
	switch name {
	case "Boolean":
		if b, ok := value.(bool); ok {
			return b, nil
		}
	case "Int":
		if n, ok := number(value); ok && n == math.Trunc(n) && math.Abs(n) <= math.MaxInt32 {
			return int(n), nil
		}
	case "Float":
		if n, ok := number(value); ok && !math.IsInf(n, 0) && !math.IsNaN(n) {
			return n, nil
		}
	case "UUID":
		if s, ok := value.(string); ok && uuidPattern.MatchString(s) {
			return s, nil
		}
	case "DateTime":
		return coerceTime(value)
	case "JSON":
		return value, nil
	default:
		if s, ok := value.(string); ok {
			return s, nil
		}
	}
	return nil, fmt.Errorf("%s can't represent %s", name, shown(value))
}

func number(value any) (float64, bool) {
	switch n := value.(type) {
	case float64:
		return n, true
	case int64:
		return float64(n), true
	case int:
		return float64(n), true
	}
	return 0, false
}

// isoLayouts are the forms of ISO 8601 that are taken; seconds may have decimals.
var isoLayouts = [...]string{time.RFC3339, "2006-01-02T15:04:05Z0700", "2006-01-02T15:04Z07:00", "2006-01-02T15:04:05", "2006-01-02T15:04", time.DateOnly}

// coerceTime takes ISO 8601, which is UTC if it names no zone, a plain date, or
// milliseconds since 1970, and gives the time in UTC, to the millisecond.
func coerceTime(value any) (any, error) {
	switch v := value.(type) {
	case time.Time:
		return v, nil
	case string:
		for _, layout := range isoLayouts {
			if t, err := time.Parse(layout, v); err == nil && t.Year() > 0 {
				return t.UTC().Truncate(time.Millisecond), nil
			}
		}
	default:
		const year9999 = 253402300799999
		if ms, ok := number(value); ok && math.Abs(ms) <= year9999 {
			if t := time.UnixMilli(int64(ms)).UTC(); t.Year() > 0 {
				return t, nil
			}
		}
	}
	return nil, fmt.Errorf("DateTime can't represent %s", shown(value))
}

// shown quotes a value for a message, never at length.
func shown(value any) string {
	const most = 60
	var s string
	if text, ok := value.(string); ok {
		s = strconv.Quote(text)
	} else {
		s = fmt.Sprint(value)
	}
	if len(s) > most {
		s = s[:most] + "..."
	}
	return s
}

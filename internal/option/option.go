// Package option makes options: functions that change a configuration, and return an error if what
// they were given can't be.
package option

import (
	"errors"
	"fmt"
	"reflect"
	"time"
)

// Apply changes c by each option, and returns what is wrong with any of them.
func Apply[C any, O ~func(*C) error](c *C, options []O) (problems []error) {
	for i, option := range options {
		if option == nil {
			problems = append(problems, fmt.Errorf("option %d is nil", i+1))
		} else if err := option(c); err != nil {
			problems = append(problems, err)
		}
	}
	return problems
}

// Nil reports whether there is nothing in v: it is nil, or a pointer or function that is, as what a call
// returns beside an error.
func Nil(v any) bool {
	r := reflect.ValueOf(v)
	return v == nil || (r.Kind() == reflect.Pointer || r.Kind() == reflect.Func) && r.IsNil()
}

// Given is an option whose value must be there: it is, or is nil. what names it in the error.
func Given[C any](what string, is bool, set func(*C)) func(*C) error {
	return func(c *C) error {
		if !is {
			return errors.New("the " + what + " is nil")
		}
		set(c)
		return nil
	}
}

// Set is an option that can't be wrong.
func Set[C any](set func(*C)) func(*C) error {
	return func(c *C) error {
		set(c)
		return nil
	}
}

// Known is an option with a value that is one of those up to the last.
func Known[C any, N ~uint8](what string, n, last N, set func(*C)) func(*C) error {
	return func(c *C) error {
		set(c)
		if n > last {
			return fmt.Errorf("there is no %s of kind %d", what, n)
		}
		return nil
	}
}

// Positive is an option whose value n must be above 0.
func Positive[C any, N int | time.Duration](what string, n N, set func(*C)) func(*C) error {
	return func(c *C) error {
		set(c)
		if n <= 0 {
			return fmt.Errorf("the %s must be positive, not %v", what, n)
		}
		if d, is := any(n).(time.Duration); is && d < time.Microsecond {
			return fmt.Errorf("the %s is %v: a number alone counts nanoseconds; write %d*time.Second or %d*time.Millisecond", what, d, d, d)
		}
		return nil
	}
}

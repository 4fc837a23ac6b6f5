// SPDX-License-Identifier: MIT

package ioasid

import (
	"go/ast"
	"go/parser"
	"go/token"
	"io/fs"
	"sort"
	"strings"
	"testing"
)

// undocumented are the exported names of some files that have no doc comment.
func undocumented(files map[string]*ast.File) []string {
	var names []string
	report := func(documented bool, parts ...string) {
		for _, part := range parts {
			if !ast.IsExported(part) {
				return
			}
		}
		if !documented {
			names = append(names, strings.Join(parts, "."))
		}
	}
	for _, file := range files {
		for _, decl := range file.Decls {
			switch decl := decl.(type) {
			case *ast.FuncDecl:
				name := []string{decl.Name.Name}
				if decl.Recv != nil {
					name = append([]string{receiver(decl.Recv.List[0].Type)}, name...)
				}
				report(decl.Doc != nil, name...)
			case *ast.GenDecl:
				for _, spec := range decl.Specs {
					switch spec := spec.(type) {
					case *ast.ValueSpec:
						// One comment serves a group of constants, but
						// each error has its own.
						of := spec.Doc != nil || decl.Doc != nil &&
							(decl.Tok == token.CONST || len(decl.Specs) == 1)
						for _, name := range spec.Names {
							report(of, name.Name)
						}
					case *ast.TypeSpec:
						report(spec.Doc != nil || decl.Doc != nil, spec.Name.Name)
						fields(spec, report)
					}
				}
			}
		}
	}
	sort.Strings(names)
	return names
}

// fields reports the fields of a struct: each has a comment, or stands directly below
// one that has.
func fields(spec *ast.TypeSpec, report func(bool, ...string)) {
	structure, ok := spec.Type.(*ast.StructType)
	if !ok {
		return
	}
	above := false
	for _, field := range structure.Fields.List {
		above = above || field.Doc != nil
		for _, name := range field.Names {
			report(above, spec.Name.Name, name.Name)
		}
	}
}

func receiver(expr ast.Expr) string {
	switch expr := expr.(type) {
	case *ast.StarExpr:
		return receiver(expr.X)
	case *ast.IndexExpr:
		return receiver(expr.X)
	case *ast.Ident:
		return expr.Name
	}
	return "?"
}

func TestEverythingIsDocumented(t *testing.T) {
	files := token.NewFileSet()
	packages, err := parser.ParseDir(files, ".", func(info fs.FileInfo) bool {
		return !strings.HasSuffix(info.Name(), "_test.go")
	}, parser.ParseComments)
	if err != nil {
		t.Fatal(err)
	}
	if len(packages["ioasid"].Files) < 8 {
		t.Error("too few files were read")
	}
	for _, name := range undocumented(packages["ioasid"].Files) {
		t.Errorf("%s is not documented", name)
	}

	planted, err := parser.ParseFile(files, "planted.go", `package ioasid
// Shown is.
type Shown struct { Hidden int; own int }
func (*Shown) Method() {}
type Generic[T any] struct{}
func (g Generic[T]) Method() {}
func Func() {}
func own() {}
// The errors.
var (
	ErrOne = 1
	// ErrTwo is.
	ErrTwo = 2
)
const Const = 1
`, parser.ParseComments)
	if err != nil {
		t.Fatal(err)
	}
	found := strings.Join(undocumented(map[string]*ast.File{"": planted}), " ")
	if want := "Const ErrOne Func Generic Generic.Method Shown.Hidden Shown.Method"; found != want {
		t.Errorf("of the planted names these were found: %s", found)
	}
}

#!/bin/sh
# Stands in for Python and its pip in the tests of source.rs. A test makes a symbolic link to this
# file and puts beside it `behaviour`, the shell commands that it wants to happen; they find the
# folder for wheels in $wheels, the requirements in $requirements and the link's folder in $here.
here=$(dirname "$0")
echo "$*" >> "$here/calls"
while [ $# -gt 0 ]; do
    case $1 in
        -d) wheels=$2 ;;
        -r) requirements=$2 ;;
    esac
    shift
done
. "$here/behaviour"

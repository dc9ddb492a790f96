#!/bin/sh
# Replaces Python and its pip in the tests of source.rs. A test makes a symbolic link to this file
# and writes the shell commands to run to `behaviour` beside it; $wheels is the folder for wheels,
# $requirements the requirements file and $here the link's folder.
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

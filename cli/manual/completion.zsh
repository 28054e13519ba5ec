# The part of the completion for zsh that does not depend on the commands. The tables, which `make` puts before it, do.

# What may stand in a place of this kind, a line each.
_convox_names() {
	case $1 in
	pid) convox ps -q ;;
	process) convox ps -q && _convox_names service ;;
	service) convox services | awk 'NR > 1 { print $1 }' ;;
	app) convox apps | awk 'NR > 1 { print $1 }' ;;
	release) convox releases | awk 'NR > 1 { print $1 }' ;;
	build) convox builds | awk 'NR > 1 { print $1 }' ;;
	*'|'*) printf '%s\n' "$1" | tr '|' '\n' ;;
	esac 2>/dev/null
}

_convox_name() { # KIND
	local -a names
	case $1 in
	command)
		names=(${(u)${_convox_commands%%[: ]*}})
		compadd -a names
		;;
	file) _files ;;
	directory) _files -/ ;;
	path)
		names=(${(f)"$(_convox_names process)"})
		compadd -S : -a names
		_files
		;;
	*)
		names=(${(f)"$(_convox_names $1)"})
		compadd -a names
		;;
	esac
}

# Finds the command, one word or two, and leaves the rest to _arguments, for which the command is the program's name.
_convox() {
	local command='' taken=1 i
	local -a below
	for ((i = 2; i < CURRENT; i++)); do
		[[ ${words[i]} == -* ]] && continue
		if [[ -z $command ]]; then
			command=${words[i]} taken=$i
		else
			[[ -n ${(M)_convox_commands:#$command ${words[i]}:*} ]] && command="$command ${words[i]}" taken=$i
			break
		fi
	done
	if [[ -z $command && ${words[CURRENT]} != -* ]]; then
		below=(${_convox_commands:#([a-z]|-)## *})
		_describe command below
		return
	fi
	shift $((taken - 1)) words
	((CURRENT -= taken - 1))
	below=(${${(M)_convox_commands:#$command *}#$command })
	((CURRENT == 2 && ${#below})) && _describe command below
	_convox_arguments "$command"
}

_convox "$@"

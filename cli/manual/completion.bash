# The part of the completion for bash that does not depend on the commands. The tables, which `make` puts before it, do.
# shellcheck shell=bash disable=SC2154

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

# Offers the lines of standard input that begin with the current word. (compgen -W would expand them like a command line.)
_convox_offer() { # CURRENT
	local name
	while read -r name; do
		[[ -n $name && $name == "$1"* ]] && COMPREPLY+=("$name")
	done
}

# COMP_WORDS has `=` as a word of its own: --app=x is three of them.
_convox() {
	local current=${COMP_WORDS[COMP_CWORD]} command='' option='' kind='' word i
	local -a given=() kinds
	COMPREPLY=()
	[[ $current == '=' ]] && current=''
	for ((i = 1; i < COMP_CWORD; i++)); do
		word=${COMP_WORDS[i]}
		case $word in
		-?*)
			[[ -n ${_convox_values["$command $word"]:-} ]] || continue
			[[ ${COMP_WORDS[i + 1]} == '=' && $((i + 1)) != "$COMP_CWORD" ]] && i=$((i + 1))
			i=$((i + 1))
			((i >= COMP_CWORD)) && option=$word
			;;
		*)
			given+=("$word")
			if [[ -z $command ]]; then
				[[ -n ${_convox_first["$word"]:-} ]] && command=$word
			elif [[ ${#given[@]} == 2 && -n ${_convox_options["$command $word"]:-} ]]; then
				command="$command $word"
			fi
			;;
		esac
	done
	if [[ -n $option ]]; then
		kind=${_convox_values["$command $option"]}
	elif [[ -z $command ]]; then
		((${#given[@]} > 0)) || kind='command'
	elif [[ $current == -* ]]; then
		_convox_offer "$current" < <(tr ' ' '\n' <<<"${_convox_options["$command"]:-}")
	else
		word=${command//[! ]/} # a blank for each word of the command's name but the first
		i=$((${#given[@]} - ${#word} - 1))
		((i > 0)) || _convox_offer "$current" < <(tr ' ' '\n' <<<"${_convox_below["$command"]:-}")
		read -ra kinds <<<"${_convox_arguments["$command"]:-}"
		kind=${kinds[i]:-}
		[[ -z $kind && ${#kinds[@]} -gt 0 && ${kinds[-1]} == *... ]] && kind=${kinds[-1]}
		kind=${kind%...}
	fi
	case $kind in
	'' | -) ;;
	file) _convox_offer "$current" < <(compgen -f -- "$current") ;;
	directory) _convox_offer "$current" < <(compgen -d -- "$current") ;;
	command) _convox_offer "$current" < <(printf '%s\n' "${!_convox_first[@]}") ;;
	path)
		_convox_offer "$current" < <(_convox_names process | sed 's/$/:/')
		_convox_offer "$current" < <(compgen -f -- "$current")
		compopt -o nospace 2>/dev/null
		;;
	*) _convox_offer "$current" < <(_convox_names "$kind") ;;
	esac
}
complete -o filenames -F _convox convox

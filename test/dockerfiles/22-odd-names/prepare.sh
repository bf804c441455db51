echo a > 'a file'
echo q > 'quo ted'
echo b > '[bracket]'
echo u > 'unïcöde.txt'
echo n > "$(printf 'new\nline')"
echo d > -dash
mkdir -p "$(printf 'long-%0100d' 0)/$(printf 'longer-%0100d' 1)"
echo l > "$(printf 'long-%0100d' 0)/$(printf 'longer-%0100d' 1)/file"
echo w > '.wh-not-a-whiteout'

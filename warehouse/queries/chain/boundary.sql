-- A version of a woodland's polygon, and the release it came with first.
select
    woodland_version.* exclude (geometry),
    release.source as release_file,
    release.sha256 as release_sha256
from woodland_version
join release on release.id = woodland_version.release
where woodland_version.woodland_id = $woodland_id and woodland_version.boundary = $boundary
order by woodland_version.version
limit 1;
